//! `adopt: true`: what other tools made is taken over with their part in it, and no field is lost.

use serde_json::Value;

use super::{existing::guest, home::Home};

fn object(home: &Home, kind: &str, name: &str) -> Value {
    let args = ["-n", "hello", "get", kind, name, "-o", "json", "--show-managed-fields"];
    serde_json::from_str(&home.kubectl("host", &args)).unwrap()
}

fn managers(object: &Value) -> Vec<&str> {
    let all = object["metadata"]["managedFields"].as_array().unwrap().iter();
    all.filter(|e| e["subresource"].is_null()).map(|e| e["manager"].as_str().unwrap()).collect()
}

#[test]
fn what_kubectl_helm_and_argo_cd_made_is_taken_over_and_nothing_is_lost() {
    let home = guest();
    let file = |name: &str| home.project().join("hello/manifests").join(name).display().to_string();
    home.kubectl("host", &["create", "namespace", "hello"]);
    home.kubectl("host", &["-n", "hello", "apply", "-f", &file("web.yaml")]);
    home.kubectl(
        "host",
        &["-n", "hello", "apply", "--server-side", "--field-manager=argocd-controller", "-f", &file("cache.yaml")],
    );
    // As Helm 3 writes: under its own name, by updates.
    let labels =
        r#"{"metadata":{"labels":{"helm.sh/chart":"web-1"}},"data":{"greeting":"from helm","more":"of helm"}}"#;
    home.kubectl(
        "host",
        &["-n", "hello", "patch", "configmap", "web", "--type=merge", "--field-manager=helm", "-p", labels],
    );
    // Somebody who is no tool of that kind.
    let note = r#"{"metadata":{"annotations":{"a":"b"}}}"#;
    home.kubectl(
        "host",
        &["-n", "hello", "patch", "configmap", "web", "--type=merge", "--field-manager=alice", "-p", note],
    );

    let said = home.said(&["plan"], 1);
    assert!(said.contains("`adopt: true` of the Application"), "{said}");
    home.edit("hello/application.yaml", "kind: Application", "kind: Application\nadopt: true");
    let plan = home.run(&["plan"], 0);
    assert!(plan.contains("~ Deployment hello/web") && plan.contains("taken over"), "{plan}");
    assert!(plan.contains("data.greeting: from helm → hello  # by helm, 2"), "{plan}");
    home.run(&["apply", "--yes"], 0);
    assert!(home.run(&["plan", "--detailed-exitcode"], 0).contains("No changes."));

    let map = object(&home, "configmap", "web");
    let lineage = managers(&map).into_iter().find(|m| m.starts_with("skyplan-")).unwrap().to_owned();
    assert_eq!(managers(&map), [lineage.as_str(), "alice"], "{map:#}");
    assert_eq!((&map["data"]["greeting"], &map["data"]["more"]), (&"hello".into(), &"of helm".into()));
    assert_eq!(map["metadata"]["labels"]["helm.sh/chart"], "web-1");
    for (kind, name) in [("deployment", "web"), ("service", "web"), ("statefulset", "cache"), ("service", "cache")] {
        assert_eq!(managers(&object(&home, kind, name)), [lineage.as_str()], "{kind} {name}");
    }
    // What the specs no longer have goes: nobody else holds it.
    home.edit("hello/manifests/web.yaml", "          args: [netexec, --http-port=8080]\n", "");
    home.run(&["apply", "--yes"], 0);
    assert!(object(&home, "deployment", "web")["spec"]["template"]["spec"]["containers"][0]["args"].is_null());
    // The namespace was there before.
    home.run(&["destroy", "--yes"], 0);
    assert!(home.kubectl("host", &["get", "namespaces", "-o", "name"]).contains("hello"));
}
