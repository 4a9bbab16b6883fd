//! Diagnostic codes that only a real cluster brings about: one cluster for all of them, and for each a
//! project of its own that uses it by its kubeconfig.

use std::collections::BTreeMap;

use skyplan::driver::local::{LocalRoot, kubectl};

use super::home::Home;
use crate::support::codes::{How, cases};

#[test]
fn golden_codes_on_a_cluster() {
    let home = Home::empty();
    home.run(&["local", "up", "codes"], 0);
    let kubeconfig = home.dir.path().join("state/skyplan/local/codes/kubeconfig");
    let programs = kubectl(&LocalRoot::from_env().unwrap()).expect("kubectl: run `make control-plane`");
    let programs = programs.parent().unwrap().display().to_string();
    let path = std::env::var("PATH").unwrap_or_default();
    let variables = BTreeMap::from([
        ("SKYPLAN_CONTROL_PLANE", programs.clone()),
        ("PATH", format!("{programs}:{path}")),
        ("KUBECONFIG", "kubeconfig".into()),
    ]);
    let mut wrong = String::new();
    for case in cases().into_iter().filter(|c| c.how == How::Cluster) {
        wrong += &case.settle(&case.run(&variables, Some(&kubeconfig)));
    }
    assert!(
        wrong.is_empty(),
        "\n{wrong}\nIf this is as it should be: SNAPSHOTS=overwrite cargo test --test it golden_codes\n"
    );
}
