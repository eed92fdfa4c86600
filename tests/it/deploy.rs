//! What ops install: unit, account, directories and configuration agree with each other and with the code.

use std::collections::BTreeSet;
use std::path::Path;

use expunged::config::{Config, Listen, SecretSource};
use expunged::deployment::Exit;
use expunged::diagnostic::{Paint, Source, SourceKind};
use expunged::rules::check::{check, datastores};
use expunged::rules::document::load;

use crate::architecture::source::root;

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

/// The example, where it is installed: paths are relative to that place.
fn configuration() -> Config {
    let source =
        Source::new(SourceKind::Configuration, "/etc/expunged/expunged.toml", &read("deploy/expunged.toml"));
    Config::parse(&source).unwrap_or_else(|e| panic!("{}", e.render(Paint::Plain)))
}

/// The values that a unit file gives a key, in order.
fn values(file: &str, key: &str) -> Vec<String> {
    let text = read(file);
    let pairs = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    pairs.filter(|(name, _)| *name == key).map(|(_, value)| value.to_owned()).collect()
}

fn value(key: &str) -> String {
    let [value] = <[String; 1]>::try_from(values("deploy/expunged.service", key))
        .unwrap_or_else(|all| panic!("{key}= is there {} times", all.len()));
    value
}

/// The directories of tmpfiles.d, as (path, mode, user, group).
fn directories() -> BTreeSet<[String; 4]> {
    let text = read("deploy/tmpfiles.d/expunged.conf");
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["d", path, mode, user, group, "-"] => [path, mode, user, group].map(str::to_owned),
            _ => panic!("tmpfiles.d/expunged.conf: {line}"),
        })
        .collect()
}

fn directory(path: &Path, mode: &str, user: &str) -> [String; 4] {
    [path.to_str().unwrap(), mode, user, "expunged"].map(str::to_owned)
}

#[test]
fn the_example_configuration_serves_the_rules_that_are_installed_with_it() {
    let config = configuration();
    // What `install.sh` puts beside it.
    let rules = tempfile::tempdir().unwrap();
    std::fs::copy(root().join("rules/motorsport.toml"), rules.path().join("motorsport.toml")).unwrap();
    assert!(
        read("deploy/install.sh").contains("/../rules/motorsport.toml\" /etc/expunged/rules/motorsport.toml")
    );
    let loaded =
        load(rules.path(), &config.defaults).unwrap_or_else(|e| panic!("{}", e.render(Paint::Plain)));
    datastores(&loaded, &config.datastores).or(()).unwrap_or_else(|e| panic!("{}", e.render(Paint::Plain)));
    check(&loaded, &config.defaults).unwrap_or_else(|e| panic!("{}", e.render(Paint::Plain)));
}

#[test]
fn every_key_of_the_example_configuration_is_explained() {
    let text = read("deploy/expunged.toml");
    let mut above = "";
    for line in text.lines() {
        let key = line.split_once(" = ").is_some_and(|_| !line.starts_with('#'));
        // The two keys of a datastore stand under one comment.
        let explained = above.starts_with('#')
            || line.contains('#')
            || above.starts_with("[datastore.")
            || above.starts_with("kind");
        assert!(!key || explained, "`{line}` is not explained");
        above = line;
    }
}

#[test]
fn what_a_restart_cannot_mend_is_not_restarted() {
    let listed: BTreeSet<u8> =
        value("RestartPreventExitStatus").split(' ').map(|code| code.parse().unwrap()).collect();
    // `Done` is no failure. The others may pass by themselves: a full disk, a datastore that is away, a lock.
    let stays_down = |exit| match exit {
        Exit::Usage | Exit::Evidence | Exit::Rules | Exit::Denied | Exit::Configuration => true,
        Exit::Done | Exit::Finding | Exit::Refused | Exit::Unreachable | Exit::Bug | Exit::Locked => false,
    };
    let expected: BTreeSet<u8> =
        (0..=u8::MAX).filter(|code| Exit::of(*code).is_some_and(stays_down)).collect();
    assert_eq!(listed, expected);
    assert_eq!(value("Restart"), "on-failure");
}

#[test]
fn unit_account_directories_and_configuration_agree() {
    let config = configuration();
    let state = config.state.parent().unwrap();
    let own = [state, config.ledger.keys.as_path()];
    assert_eq!(
        value("StateDirectory").split(' ').map(|name| Path::new("/var/lib").join(name)).collect::<Vec<_>>(),
        own
    );
    let etc = Path::new("/etc").join(value("ConfigurationDirectory"));
    assert!(config.rules_dir.starts_with(&etc));
    assert_eq!(Path::new(&value("ReadOnlyPaths")), etc, "or the unit opens it for writing");
    let (private, readable) = (value("StateDirectoryMode"), value("ConfigurationDirectoryMode"));
    let expected = [
        directory(&etc, &readable, "root"),
        directory(&config.rules_dir, &readable, "root"),
        directory(own[0], &private, "expunged"),
        directory(own[1], &private, "expunged"),
    ];
    assert_eq!(directories(), BTreeSet::from(expected));

    let accounts = read("deploy/sysusers.d/expunged.conf");
    let account = accounts.lines().find(|line| !line.starts_with('#')).unwrap();
    assert!(account.starts_with("u expunged - ") && account.ends_with(state.to_str().unwrap()), "{account}");
    assert_eq!([value("User"), value("Group")], ["expunged", "expunged"]);

    let credential = value("LoadCredential");
    let (name, path) = credential.split_once(':').unwrap();
    assert_eq!(config.ledger.key, SecretSource::Credential(name.to_owned()));
    assert!(Path::new(path).starts_with(&etc));
    assert!(read("deploy/install.sh").contains(&format!("key={path}\n")));

    assert!(matches!(config.http, Some(Listen::Tcp(address)) if address.ip().is_loopback()));
    assert_eq!([value("IPAddressDeny"), value("IPAddressAllow")], ["any", "localhost"]);
}

#[test]
fn the_example_drop_in_opens_the_directory_of_every_datastore() {
    let file = "deploy/expunged.service.d/datastores.conf";
    let opened = values(file, "ReadWritePaths");
    let wanted: Vec<String> = configuration()
        .datastores
        .values()
        .map(|datastore| datastore.location.path().unwrap().parent().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(opened, wanted);
    assert_eq!(values(file, "RequiresMountsFor"), wanted);
}
