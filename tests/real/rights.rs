//! With fewer rights than everybody wishes for: what is forbidden everywhere is asked for where it is needed.

use std::fs;

use super::{existing::guest, home::Home};

/// A user of the host cluster, with rights of their own, and the project's kubeconfig for them.
fn user(home: &Home, rules: &str) {
    let account = format!(
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: deployer, namespace: hello}}\n---\n{rules}\n",
    );
    let file = home.dir.path().join("rights.yaml");
    fs::write(&file, account).unwrap();
    home.kubectl("host", &["create", "namespace", "hello"]);
    home.kubectl("host", &["apply", "-f", file.to_str().unwrap()]);
    let token = home.kubectl("host", &["-n", "hello", "create", "token", "deployer"]);
    let admin = fs::read_to_string(home.dir.path().join("state/skyplan/local/host/kubeconfig")).unwrap();
    // All of it but who asks.
    let (before, rest) = admin.split_once("users:").unwrap();
    let (_, after) = rest.split_once("contexts:").unwrap();
    let user = after.lines().find_map(|l| l.trim().strip_prefix("user: ")).unwrap();
    let config = format!("{before}users:\n- name: {user}\n  user:\n    token: {}\ncontexts:{after}", token.trim());
    fs::write(home.project().join("deployer.kubeconfig"), config).unwrap();
    let cluster = "apiVersion: skyplan.io/v1alpha1\nkind: Cluster\nname: prod\ndriver: existing\nexisting: {kubeconfig: \
                   deployer.kubeconfig}\n";
    fs::write(home.project().join("clusters.yaml"), cluster).unwrap();
}

/// Looks at nodes, pods and namespaces everywhere; at all else in its namespace.
const RULES: &str = "apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: looks}
rules:
  - {apiGroups: [\"\"], resources: [nodes, namespaces, pods], verbs: [get, list]}
  - {apiGroups: [apps, batch], resources: [replicasets, jobs], verbs: [list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: looks}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: looks}
subjects: [{kind: ServiceAccount, name: deployer, namespace: hello}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: deploys, namespace: hello}
rules:
  - apiGroups: [\"\", apps]
    resources: [configmaps, secrets, services, deployments, statefulsets, pods, events]
    verbs: [get, list, watch, create, patch, delete]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: deploys, namespace: hello}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: deploys}
subjects: [{kind: ServiceAccount, name: deployer, namespace: hello}]";

#[test]
fn rights_in_one_namespace_are_enough_for_what_is_in_it() {
    let home = guest();
    user(&home, RULES);
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: keys}\nstringData: {a: b}\n";
    fs::write(home.project().join("hello/manifests/keys.yaml"), secret).unwrap();
    home.run(&["apply", "--yes"], 0);
    assert!(home.run(&["plan", "--detailed-exitcode"], 0).contains("No changes."));
    // What is drifted, and what is gone, is seen there as well.
    home.kubectl("host", &["-n", "hello", "patch", "secret", "keys", "-p", r#"{"stringData":{"a":"c"}}"#]);
    home.kubectl("host", &["-n", "hello", "delete", "service", "web"]);
    let plan = home.run(&["plan", "--on-conflict", "take"], 0);
    assert!(plan.contains("~ Secret hello/keys") && plan.contains("+ Service hello/web"), "{plan}");
    home.run(&["apply", "--yes", "--on-conflict", "take"], 0);
    home.run(&["destroy", "--yes"], 0);
    let left = home.kubectl("host", &["-n", "hello", "get", "deployments,services,secrets", "-o", "name"]);
    assert!(!left.contains("web") && !left.contains("keys"), "{left}");
}
