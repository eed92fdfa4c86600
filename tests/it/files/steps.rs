//! The same on a kernel without `openat2`, which a program can only pretend: with the feature `test-hooks`.

use std::process::Command;

#[cfg(feature = "test-hooks")]
#[test]
fn every_test_of_files_passes_without_openat2() {
    const WITHOUT: &str = "EXPUNGED_WITHOUT_OPENAT2";
    if std::env::var_os(WITHOUT).is_some() {
        return;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["files::", "--test-threads=2"])
        .env(WITHOUT, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let passed: usize = said
        .split("test result: ok. ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next()?.parse().ok())
        .unwrap_or_default();
    assert!(passed > 25, "only {passed} tests ran: {said}");
}
