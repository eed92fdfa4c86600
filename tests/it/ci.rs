//! `deploy/ci/`: the steps of the workflow and the hook, run as a runner and git run them, in repositories of their own.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::architecture::source::root;
use crate::schema::python;

const RULES: &str = r#"[service]
name = "Site"
owner = "site@example.com"
time_zone = "Europe/Berlin"

[[promise]]
id = "account"
text = "Gone within a month."
source = "Policy, 2020-04-28"
trigger = "account closed"
no_later_than = "1 month"
covers = ["account"]

[[rule]]
id = "account"
class = "account"
keeps = ["account"]
datastore = "site"
table = "account"
key = ["id"]
trigger = { column = "closed_at", pending = ["null"] }
retain = "7 days"
delete_by = "20 days"
action = "delete"

[[rule.test]]
name = "an account is kept for a week"
record = { id = 1, closed_at = "2026-03-01T10:00:00Z" }
at = "2026-03-08T10:00:00Z"
expect = "kept"
"#;

fn rules(delete_by: &str) -> String {
    RULES.replace("\"20 days\"", &format!("\"{delete_by}\""))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The script of the workflow's step of this name: the block under its `run: |`, without its indentation.
fn step(name: &str) -> String {
    let workflow = read(root().join("deploy/ci/github-actions.yml"));
    let head = format!("      - name: {name}\n");
    assert_eq!(workflow.matches(&head).count(), 1, "step `{name}`");
    let of_step = workflow.split(&head).nth(1).unwrap();
    let of_step = of_step.split("\n      - ").next().unwrap();
    let block = of_step.split("        run: |\n").nth(1).unwrap_or_else(|| panic!("`{name}` runs nothing"));
    let lines = block.lines().take_while(|line| line.is_empty() || line.starts_with("          "));
    let lines: Vec<&str> = lines.map(|line| line.get(10..).unwrap_or_default()).collect();
    let script = lines.join("\n");
    assert!(
        !script.trim().is_empty() && !script.contains("${{"),
        "`{name}` runs what a runner would fill in:\n{script}"
    );
    script
}

/// A repository and what a runner has beside it.
struct Runner {
    dir: TempDir,
}

struct Ran {
    code: Option<i32>,
    text: String,
}

impl Ran {
    fn of(output: &Output) -> Self {
        let text =
            [&output.stdout, &output.stderr].map(|stream| String::from_utf8_lossy(stream).into_owned());
        Self { code: output.status.code(), text: text.concat() }
    }

    fn expect(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}", self.text);
        self.text
    }
}

impl Runner {
    /// A repository whose first commit holds these rules; none: no rules.
    fn new(first: Option<&str>) -> Self {
        let runner = Self { dir: tempfile::tempdir().unwrap() };
        for directory in ["repository", "temp", "bin"] {
            std::fs::create_dir(runner.path(directory)).unwrap();
        }
        runner.git(&["init", "--quiet", "--initial-branch=main"]).expect(0);
        runner.write("README.md", "Rules.\n");
        if let Some(rules) = first {
            runner.write("rules/site.toml", rules);
        }
        runner.commit();
        runner
    }

    /// The same with a pull request that brings these rules, merged as GitHub merges it to try it.
    fn pull_request(first: Option<&str>, rules: &str) -> Self {
        let runner = Self::new(first);
        runner.git(&["checkout", "--quiet", "-b", "change"]).expect(0);
        runner.write("rules/site.toml", rules);
        runner.commit();
        runner.git(&["checkout", "--quiet", "main"]).expect(0);
        runner.git(&["merge", "--quiet", "--no-ff", "-m", "merge", "change"]).expect(0);
        runner
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path("repository").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn git(&self, arguments: &[&str]) -> Ran {
        let mut git = self.command("git", &Self::path_with(&[program().parent().unwrap()]));
        Ran::of(&git.args(arguments).output().unwrap())
    }

    fn commit(&self) {
        self.git(&["add", "--all"]).expect(0);
        self.git(&["commit", "--quiet", "--no-verify", "-m", "change"]).expect(0);
    }

    /// Nothing of the host's own settings, and what a runner sets.
    fn command(&self, program: &str, path: &OsString) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.path("repository")).env_clear().env("PATH", path);
        for (key, value) in [
            ("HOME", "temp"),
            ("RUNNER_TEMP", "temp"),
            ("TMPDIR", "temp"),
            ("GITHUB_STEP_SUMMARY", "summary"),
        ] {
            command.env(key, self.path(value));
        }
        for (key, value) in [("GITHUB_OUTPUT", "output"), ("GITHUB_PATH", "added-path"), ("ASKED", "asked")] {
            command.env(key, self.path(value));
        }
        for role in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{role}_NAME"), "ann")
                .env(format!("GIT_{role}_EMAIL"), "ann@example.com");
        }
        command.env("RULES", "rules").env("GITHUB_REPOSITORY", "example/rules");
        command
    }

    fn path_with(first: &[&Path]) -> OsString {
        let host = std::env::var_os("PATH").unwrap();
        let all = first.iter().map(|path| path.to_path_buf()).chain(std::env::split_paths(&host));
        std::env::join_paths(all).unwrap()
    }

    /// Runs a step of the workflow as a runner does.
    fn step(&self, name: &str, environment: &[(&str, &str)]) -> Ran {
        let bin = self.path("bin");
        let path = Self::path_with(&[&bin, program().parent().unwrap()]);
        self.script(&step(name), &path, environment)
    }

    fn script(&self, script: &str, path: &OsString, environment: &[(&str, &str)]) -> Ran {
        let mut bash = self.command("bash", path);
        bash.args(["--noprofile", "--norc", "-euo", "pipefail", "-c", script])
            .envs(environment.iter().copied());
        Ran::of(&bash.output().unwrap())
    }

    /// What a step handed on, by name; a text of several lines too.
    fn output(&self, name: &str) -> String {
        let output = read(self.path("output"));
        let mut lines = output.lines();
        while let Some(line) = lines.next() {
            if let Some(end) = line.strip_prefix(&format!("{name}<<")) {
                return lines.take_while(|line| *line != end).collect::<Vec<_>>().join("\n") + "\n";
            }
            if let Some(value) = line.strip_prefix(&format!("{name}=")) {
                return value.to_owned();
            }
        }
        panic!("no output `{name}` in:\n{output}")
    }
}

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_expunged"))
}

#[test]
fn a_good_change_passes_and_is_told() {
    let runner = Runner::pull_request(Some(RULES), &rules("15 days"));
    assert!(runner.step("Check", &[]).expect(0).contains("1 promise"));
    assert!(runner.step("Test", &[]).expect(0).contains("1 passed, 0 failed"));
    runner.step("Diff", &[]).expect(0);
    let summary = read(runner.path("summary"));
    assert!(summary.starts_with("**Needs no second look. Rules: 1 stricter, 0 unchanged"), "{summary}");
    assert!(summary.contains("<code>20 days</code> → <code>15 days</code>"), "{summary}");
    assert_eq!((runner.output("second-look").as_str(), runner.output("comment")), ("false", summary));
}

#[test]
fn a_weaker_change_passes_and_asks_for_a_second_look() {
    let runner = Runner::pull_request(Some(RULES), &rules("25 days"));
    runner.step("Check", &[]).expect(0);
    runner.step("Diff", &[]).expect(0);
    assert!(read(runner.path("summary")).contains("second look | rule <code>site/account</code> | weaker"));
    assert_eq!(runner.output("second-look"), "true");
    assert!(runner.step("Second look", &[]).expect(1).contains("::error title=Second look::"));
}

#[test]
fn a_broken_change_fails_with_an_annotation_at_its_line() {
    let runner = Runner::pull_request(Some(RULES), &rules("20 d"));
    let said = runner.step("Check", &[]).expect(65);
    assert!(said.starts_with("::error file=rules/site.toml,line=23,"), "{said}");
    runner.step("Test", &[]).expect(65);
    let said = runner.step("Diff", &[]).expect(65);
    assert!(said.contains("NEW, `rules`, cannot be read"), "{said}");
    assert!(!runner.path("summary").exists() && !runner.path("output").exists());
}

#[test]
fn a_promise_that_is_broken_fails_and_is_told() {
    let runner = Runner::pull_request(Some(RULES), &rules("2 months"));
    assert!(runner.step("Check", &[]).expect(65).starts_with("::error file=rules/site.toml,line=23,"));
    runner.step("Diff", &[]).expect(0);
    assert!(read(runner.path("summary")).contains("it is broken, it was kept"));
    assert_eq!(runner.output("second-look"), "true");
}

#[test]
fn a_failing_test_fails() {
    let runner = Runner::pull_request(Some(RULES), &RULES.replace("expect = \"kept\"", "expect = \"due\""));
    runner.step("Check", &[]).expect(0);
    assert!(runner.step("Test", &[]).expect(65).contains("FAIL  site/account: an account is kept"));
}

#[test]
fn whoever_mends_broken_rules_or_writes_the_first_is_not_stopped() {
    let mended = Runner::pull_request(Some(&rules("20 d")), RULES);
    mended.step("Diff", &[]).expect(0);
    assert!(read(mended.path("summary")).contains("before this change cannot be read"));
    assert_eq!(mended.output("second-look"), "true");
    let first = Runner::pull_request(None, RULES);
    first.step("Diff", &[]).expect(0);
    assert!(read(first.path("summary")).contains("Rules: 1 new, 0 unchanged"));
}

#[test]
fn a_difference_too_long_for_a_comment_is_only_in_the_summary() {
    let rule = RULES.split("[[rule]]\n").nth(1).unwrap().split("[[rule.test]]").next().unwrap();
    let many = (0..200).map(|n| {
        format!(
            "[[rule]]\n{}",
            rule.replace("id = \"account\"", &format!("id = \"a{n}\"")).replace("[\"account\"]", "[]")
        )
    });
    let runner = Runner::pull_request(Some(RULES), &(RULES.to_owned() + "\n" + &many.collect::<String>()));
    runner.step("Diff", &[]).expect(0);
    assert!(read(runner.path("summary")).contains("site/a199"));
    let comment = runner.output("comment");
    assert!(comment.starts_with("**Needs a second look. Rules: 200 new") && comment.len() < 500, "{comment}");
}

/// A configuration of the rules' repository.
const CONFIGURATION: &str = r#"rules = "rules"
state = "sqlite://state.db"

[ledger]
origin = "example.com/ledger"
key = { file = "ledger.key" }
keys = "keys"

[datastore.site]
kind = "sqlite"
url = "sqlite://site.db"
"#;

#[test]
fn a_repository_with_a_configuration_is_checked_by_it() {
    let runner = Runner::new(None);
    runner.write("expunged.toml", CONFIGURATION);
    runner.write("rules/site.toml", RULES);
    runner.commit();
    assert!(runner.step("Check", &[]).expect(0).contains("1 promise"));
    runner.write("expunged.toml", &CONFIGURATION.replace("datastore.site", "datastore.other"));
    runner.commit();
    let said = runner.step("Check", &[]).expect(65);
    assert!(said.contains("::error file=rules/site.toml,line=18,"), "{said}");
    runner.write("expunged.toml", "rules = 1\n");
    assert!(runner.step("Check", &[]).expect(78).contains("expunged.toml"));
}

#[test]
fn a_change_of_the_configuration_asks_for_a_second_look_of_its_own() {
    let runner = Runner::new(Some(RULES));
    runner.write("expunged.toml", CONFIGURATION);
    runner.commit();
    runner.git(&["checkout", "--quiet", "-b", "change"]).expect(0);
    runner.write("expunged.toml", &CONFIGURATION.replace("site.db", "other.db"));
    runner.commit();
    runner.git(&["checkout", "--quiet", "main"]).expect(0);
    runner.git(&["merge", "--quiet", "--no-ff", "-m", "merge", "change"]).expect(0);
    runner.step("Diff", &[]).expect(0);
    let summary = read(runner.path("summary"));
    assert!(summary.starts_with("**No difference: 1 rule and 1 promise are the same.**"), "{summary}");
    assert!(summary.contains("**`expunged.toml` changes too:"), "{summary}");
    assert_eq!(runner.output("second-look"), "true");
}

/// The one thing that cannot be real here: it notes how it was asked, and knows of these comments of ours.
fn fake_gh(runner: &Runner, ours: &str) {
    let script = format!(
        "#!/bin/sh\nprintf '%s\\n' \"$*\" >> \"$ASKED\"\ncase \"$*\" in *--paginate*) printf '{ours}' ;; esac\n"
    );
    let path = runner.path("bin/gh");
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn one_comment_is_written_and_then_kept_up_to_date() {
    for (ours, method, to) in [
        ("", "POST", "repos/example/rules/issues/7/comments"),
        ("41\\n42\\n", "PATCH", "repos/example/rules/issues/comments/41"),
    ] {
        let runner = Runner::new(None);
        fake_gh(&runner, ours);
        let environment =
            [("PULL_REQUEST", "7"), ("COMMENT", "**weaker** `$(touch /tmp/no)`"), ("GH_TOKEN", "none")];
        runner.step("Comment", &environment).expect(0);
        let asked = read(runner.path("asked"));
        let lines: Vec<&str> = asked.lines().collect();
        assert_eq!(lines.len(), 2, "{asked}");
        assert!(
            lines[0].starts_with("api --paginate repos/example/rules/issues/7/comments --jq "),
            "{asked}"
        );
        let body = format!("body=@{}", runner.path("temp/comment.md").display());
        assert_eq!(lines[1], format!("api --method {method} {to} --field {body}"));
        let comment = read(runner.path("temp/comment.md"));
        assert_eq!(comment, "<!-- expunged diff -->\n**weaker** `$(touch /tmp/no)`\n");
    }
}

#[test]
fn a_program_with_another_checksum_is_not_installed() {
    let runner = Runner::new(None);
    std::fs::write(runner.path("program"), "#!/bin/sh\n").unwrap();
    let url = format!("file://{}", runner.path("program").display());
    let right = Ran::of(&Command::new("sha256sum").arg(runner.path("program")).output().unwrap()).expect(0);
    let right = right.split(' ').next().unwrap();
    // Without the build's own program, or a host's, so that there is something to install.
    let host = Runner::path_with(&[]);
    let without = std::env::split_paths(&host).filter(|folder| !folder.join("expunged").exists());
    let path = std::env::join_paths(without).unwrap();
    let install = |sum: &str| {
        runner.script(&step("Install"), &path, &[("EXPUNGED_URL", &url), ("EXPUNGED_SHA256", sum)])
    };
    install(&"0".repeat(64)).expect(1);
    assert!(!runner.path("added-path").exists());
    install(right).expect(0);
    let added = read(runner.path("added-path"));
    assert!(Path::new(added.trim()).join("expunged").exists(), "{added}");
    runner.step("Install", &[]).expect(0);
}

#[test]
fn the_workflow_asks_for_no_more_than_it_needs() {
    let workflow = read(root().join("deploy/ci/github-actions.yml"));
    let code: Vec<&str> = workflow.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let all = code.join("\n");
    assert!(!all.contains("pull_request_target") && !all.contains("secrets."));
    assert_eq!(all.matches("\npermissions: {}\n").count(), 1);
    let granted: Vec<&str> = code
        .iter()
        .map(|line| line.trim())
        .filter(|l| l.ends_with(": write") || l.ends_with(": read"))
        .collect();
    assert_eq!(granted, ["contents: read", "pull-requests: write"]);
    for line in code.iter().filter(|line| line.contains("uses: ")) {
        let pin = line.split('@').nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
        assert!(pin.len() == 40 && pin.bytes().all(|b| b.is_ascii_hexdigit()), "{line} is not pinned");
    }
}

/// What GitHub would refuse, and what an attacker would like, as programs see it that nobody here wrote. Each is also shown a workflow that
/// is wrong.
#[test]
fn the_workflow_is_one_and_gives_no_foothold() {
    let workflow = read(root().join("deploy/ci/github-actions.yml"));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("workflow.yml");
    let judged = |program: &str, arguments: &[&str], text: &str| {
        std::fs::write(&path, text).unwrap();
        Ran::of(&Command::new(python(program)).args(arguments).arg(&path).output().unwrap())
    };
    let schema = ["--builtin-schema", "vendor.github-workflows"];
    judged("check-jsonschema", &schema, &workflow).expect(0);
    let misspelled = workflow.replacen("runs-on:", "run-on:", 1);
    judged("check-jsonschema", &schema, &misspelled).expect(1);
    judged("zizmor", &["--offline"], &workflow).expect(0);
    let injected =
        workflow.replacen("echo \"::error", "echo \"${{ github.event.pull_request.title }}::error", 1);
    assert_ne!(injected, workflow);
    let said = judged("zizmor", &["--offline"], &injected);
    assert!(said.code != Some(0) && said.text.contains("template-injection"), "{}", said.text);
}

/// The framework itself, with the configuration that is shipped.
#[test]
fn the_framework_runs_the_hook() {
    let shipped = |name: &str| root().join("deploy/ci").join(name);
    for (command, file) in
        [("validate-config", "pre-commit-config.yaml"), ("validate-manifest", "pre-commit-hooks.yaml")]
    {
        let ran = Command::new(python("pre-commit")).arg(command).arg(shipped(file)).output().unwrap();
        Ran::of(&ran).expect(0);
    }
    let runner = Runner::new(Some(RULES));
    runner.write(".pre-commit-config.yaml", &read(shipped("pre-commit-config.yaml")));
    runner.write("ci/pre-commit", &read(shipped("pre-commit")));
    let hook = runner.path("repository/ci/pre-commit");
    std::fs::set_permissions(hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    runner.commit();
    let framework = |rules: &str| {
        runner.write("rules/site.toml", rules);
        runner.git(&["add", "--all"]).expect(0);
        let folders =
            [program().parent().unwrap(), python("pre-commit").parent().unwrap()].map(Path::to_owned);
        let path = Runner::path_with(&[&folders[0], &folders[1]]);
        let mut run = runner.command("pre-commit", &path);
        Ran::of(&run.args(["run", "--color", "never"]).output().unwrap())
    };
    let passed = framework(&rules("15 days")).expect(0);
    assert!(passed.contains("retention rules") && passed.contains("Passed"), "{passed}");
    let refused = framework(&rules("20 d")).expect(1);
    assert!(refused.contains("rules/site.toml:23:13: error[R010]"), "{refused}");
}

/// A repository whose hook is ours.
fn hooked() -> Runner {
    let runner = Runner::new(Some(RULES));
    let hook = runner.path("repository/.git/hooks/pre-commit");
    std::fs::copy(root().join("deploy/ci/pre-commit"), hook).unwrap();
    runner
}

impl Runner {
    fn staged(&self, rules: &str) -> Ran {
        self.write("rules/site.toml", rules);
        self.git(&["add", "--all"]).expect(0);
        self.git(&["commit", "--quiet", "-m", "change"])
    }
}

#[test]
fn a_commit_of_a_broken_rule_is_refused_and_a_good_one_passes() {
    let runner = hooked();
    let refused = runner.staged(&rules("20 d")).expect(1);
    assert!(refused.contains("rules/site.toml:23:13: error[R010]"), "{refused}");
    let refused = runner.staged(&rules("2 months")).expect(1);
    assert!(refused.contains("is weaker than promise"), "{refused}");
    let refused = runner.staged(&RULES.replace("expect = \"kept\"", "expect = \"due\"")).expect(1);
    assert!(refused.contains("FAIL  site/account: an account is kept"), "{refused}");
    let passed = runner.staged(&rules("25 days")).expect(0);
    assert!(passed.contains("20 days → 25 days") && passed.contains("Needs a second look"), "{passed}");
}

#[test]
fn the_hook_goes_by_the_configuration_that_is_staged_and_refuses_to_lose_every_rule() {
    let runner = hooked();
    runner.write("expunged.toml", &CONFIGURATION.replace("datastore.site", "datastore.other"));
    runner.git(&["add", "--all"]).expect(0);
    let refused = runner.git(&["commit", "--quiet", "-m", "change"]).expect(1);
    assert!(refused.contains("rules/site.toml:18:"), "{refused}");
    runner.write("expunged.toml", CONFIGURATION);
    runner.git(&["add", "--all"]).expect(0);
    runner.git(&["commit", "--quiet", "-m", "change"]).expect(0);
    runner.git(&["rm", "--quiet", "-r", "rules"]).expect(0);
    let refused = runner.git(&["commit", "--quiet", "-m", "change"]).expect(1);
    assert!(refused.contains("this commit removes every rule of rules/"), "{refused}");
}

#[test]
fn the_hook_looks_at_what_is_staged() {
    let runner = hooked();
    runner.write("rules/site.toml", &rules("20 d"));
    runner.git(&["add", "--all"]).expect(0);
    runner.write("rules/site.toml", RULES);
    runner.git(&["commit", "--quiet", "-m", "change"]).expect(1);
    runner.staged(&rules("15 days")).expect(0);
    runner.write("rules/site.toml", &rules("20 d"));
    runner.write("README.md", "Other.\n");
    runner.git(&["add", "README.md"]).expect(0);
    runner.git(&["commit", "--quiet", "-m", "change"]).expect(0);
}

#[test]
fn the_hook_lets_the_first_rules_and_a_mended_one_pass() {
    let runner = hooked();
    runner.write("rules/site.toml", &rules("20 d"));
    runner.commit();
    runner.staged(RULES).expect(0);
    let first = Runner::new(None);
    std::fs::copy(root().join("deploy/ci/pre-commit"), first.path("repository/.git/hooks/pre-commit"))
        .unwrap();
    first.write("README.md", "No rules yet.\n");
    first.git(&["commit", "--quiet", "--all", "-m", "change"]).expect(0);
    assert!(first.staged(RULES).expect(0).contains("Rules: 1 new"));
}

#[test]
fn the_hooks_of_the_framework_are_the_same_script() {
    for (file, entry) in
        [("pre-commit-hooks.yaml", "deploy/ci/pre-commit"), ("pre-commit-config.yaml", "ci/pre-commit")]
    {
        let text = read(root().join("deploy/ci").join(file));
        assert!(text.contains(&format!("entry: {entry}\n")) && text.contains("language: script\n"), "{file}");
    }
    let mode = std::fs::metadata(root().join("deploy/ci/pre-commit")).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0o111);
}
