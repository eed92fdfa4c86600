//! TLS between the program and a server that insists on it, with an authority of the test's own: whoever cannot prove to be the one
//! that the address names is told nothing.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::Kind as _;
use super::cases::{claimed, due, kept, key, set};
use super::served::{Place, Served, Spoken};
use crate::servers::{accessible, run};
use crate::world::rules;

/// An authority, and a server's certificate from it.
pub struct Authority {
    dir: TempDir,
}

impl Authority {
    /// Called so, it vouches for a server on `localhost` that runs as that account.
    fn called(name: &str, owner: &str) -> Self {
        let authority = Self { dir: accessible(&std::env::temp_dir()) };
        let path = |file: &str| authority.path(file);
        authority
            .openssl(&format!("req -x509 -days 2 -subj /CN={name} -keyout authority.key -out authority.pem"));
        authority.openssl("req -subj /CN=server -keyout server.key -out server.csr");
        let extensions =
            "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n";
        std::fs::write(path("extensions"), extensions).unwrap();
        let signs = "x509 -req -days 2 -in server.csr -CA authority.pem -CAkey authority.key -CAcreateserial";
        authority.openssl(&format!("{signs} -extfile extensions -out server.pem"));
        run(Command::new("chown").arg(owner).arg(path("server.key")));
        authority
    }

    fn openssl(&self, arguments: &str) {
        let mut openssl = Command::new("openssl");
        openssl.args(arguments.split(' ')).current_dir(self.dir.path());
        if arguments.starts_with("req ") {
            openssl.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
        }
        run(&mut openssl);
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    /// As the configuration names it.
    fn trusted(&self) -> String {
        verified_by(&self.path("authority.pem"))
    }
}

fn verified_by(authority: &Path) -> String {
    format!("tls = \"verify\"\ntls_ca = \"{}\"", authority.display())
}

/// One due, one not, in a world whose rules cover everything there.
fn world<E: Spoken, P: Place<E>>(served: &Served<E, P>) {
    served.put(&key("due"), due());
    served.put(&key("kept"), kept());
    let waiver = "\n[[waiver]]\ndatastore = \"site\"\ntable = \"refused\"\nreason = \"a test\"\n";
    served.world().rules(&format!("{}{waiver}", rules(E::TRIGGER, "")));
}

const COMMANDS: [&[&str]; 2] = [&["check", "--connect"], &["sweep"]];

/// With this host and these keys of the configuration, both commands end so, and nothing has gone.
fn fails<E: Spoken, P: Place<E>>(served: &Served<E, P>, host: &str, keys: &str, (code, why): (i32, &str)) {
    served.reached_at(host, keys);
    for command in COMMANDS {
        let ran = served.world().run(command);
        assert_eq!(ran.code, code, "{host}, {keys}\n{}", ran.text());
        assert!(ran.stderr.contains(why), "{host}, {keys}: `{why}` is not in\n{}", ran.text());
    }
    assert_eq!((served.left(), claimed(served)), (set(&["due", "kept"]), 0));
}

/// The same, and both do what they are for.
fn works<E: Spoken, P: Place<E>>(served: &Served<E, P>, host: &str, keys: &str) {
    served.reached_at(host, keys);
    for command in COMMANDS {
        served.world().ran(command, 0);
    }
    assert_eq!((served.left(), claimed(served)), (set(&["kept"]), 1));
}

pub fn a_server_that_proves_who_it_is_is_swept_and_no_other<E: Spoken, P: Place<E>>() {
    let [authority, other, namesake] =
        ["authority", "other", "authority"].map(|name| Authority::called(name, E::OWNER));
    let private = P::private(&E::protected(&authority));
    let protected = || {
        let database = private.database();
        let marker = E::marker(database.name());
        let served = Served::<E, P>::granted(database, &format!("{marker}{}", E::INSIST));
        world(&served);
        served
    };
    let served = protected();
    let trusted = authority.trusted();
    let untrusted = (69, "invalid peer certificate: UnknownIssuer");
    fails(&served, "localhost", &other.trusted(), untrusted);
    fails(&served, "localhost", &namesake.trusted(), (69, "invalid peer certificate: BadSignature"));
    fails(&served, "localhost", "tls = \"verify\"", untrusted);
    fails(&served, "127.0.0.1", &trusted, (69, "invalid peer certificate: certificate not valid for name"));
    for (file, why) in [("none.pem", "No such file or directory"), ("extensions", "it holds none in PEM")] {
        let path = authority.path(file);
        let said = format!("the certificates of `tls_ca` in `{}` cannot be used: {why}", path.display());
        fails(&served, "localhost", &verified_by(&path), (78, &said));
    }
    // The server insists, and this host's own connections are not protected unless somebody says so.
    fails(&served, "localhost", "tls = \"off\"", (77, "the server does not let the account in"));
    fails(&served, "localhost", "", (77, "the server does not let the account in"));
    works(&served, "localhost", &trusted);
    works(&protected(), "127.0.0.1", "tls = \"unverified\"");
    // Whom the system trusts vouches as well, whoever else does.
    let trusts = ("SSL_CERT_FILE", authority.path("authority.pem"));
    for keys in ["tls = \"verify\"", other.trusted().as_str()] {
        let served = protected();
        served.reached_at("localhost", keys);
        let ran = served.world().run_with(&[(trusts.0, trusts.1.to_str().unwrap())], &["sweep"]);
        assert_eq!((ran.code, served.left()), (0, set(&["kept"])), "{}", ran.text());
    }
}

pub fn a_server_without_tls_is_swept_only_where_the_configuration_says_so<E: Spoken, P: Place<E>>() {
    let authority = Authority::called("authority", E::OWNER);
    let private = P::private(&[]);
    let served = Served::<E, P>::on(private.database());
    world(&served);
    for keys in [authority.trusted().as_str(), "tls = \"verify\"", "tls = \"unverified\""] {
        fails(&served, "localhost", keys, (69, "server does not support TLS"));
    }
    works(&served, "localhost", "tls = \"off\"");
}
