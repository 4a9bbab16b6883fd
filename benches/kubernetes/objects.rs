//! A seeded mix of objects: per thousand 400 ConfigMaps of 1 kB, 200 Deployments without replicas, 150 Services,
//! 100 ServiceAccounts, 100 Roles and RoleBindings, 50 custom resources; over at most 20 namespaces.

use std::{collections::BTreeSet, fmt::Write as _};

/// What is applied before anything is measured.
pub(crate) const DEFINITION: &str = "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: lamps.bench.example.com}
spec:
  group: bench.example.com
  scope: Namespaced
  names: {plural: lamps, singular: lamp, kind: Lamp}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {color: {type: string}, watts: {type: integer}}}}}}
";

/// One object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) kind: &'static str,
    pub(crate) api: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// All but the head, such that a changed value is a changed text.
    body: String,
    /// What `bench` says in its annotations.
    value: u32,
}

impl Object {
    /// As YAML, with its namespace or without.
    pub(crate) fn yaml(&self, with_namespace: bool) -> String {
        let namespace = if with_namespace { format!(", namespace: {}", self.namespace) } else { String::new() };
        format!(
            "apiVersion: {}\nkind: {}\nmetadata: {{name: {}{namespace}, annotations: {{bench: \"{}\"}}}}\n{}",
            self.api, self.kind, self.name, self.value, self.body
        )
    }

    /// What a reader has to find: name, and the value of its annotation.
    pub(crate) fn mark(&self) -> (String, String) {
        (format!("{} {}/{}", self.kind, self.namespace, self.name), self.value.to_string())
    }

    /// The path of its requests.
    pub(crate) fn path(&self) -> String {
        let root = if self.api == "v1" { "/api/v1".to_owned() } else { format!("/apis/{}", self.api) };
        format!("{root}/namespaces/{}/{}/{}", self.namespace, self.plural, self.name)
    }
}

/// Numbers from a seed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn text(&mut self, letters: usize) -> String {
        (0..letters).map(|_| char::from(b'a' + u8::try_from(self.next() % 26).unwrap_or(0))).collect()
    }

    /// So many of a list, in its order.
    pub(crate) fn some(&mut self, of: usize, many: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..of).collect();
        for place in 0..many.min(of) {
            let rest = u64::try_from(of - place).unwrap_or(1);
            all.swap(place, place + usize::try_from(self.next() % rest).unwrap_or(0));
        }
        all.truncate(many);
        all.sort_unstable();
        all
    }
}

/// Namespaces that objects are in.
pub(crate) fn namespaces(objects: &[Object]) -> BTreeSet<String> {
    objects.iter().map(|o| o.namespace.clone()).collect()
}

/// So many objects.
pub(crate) fn objects(size: usize, seed: u64) -> Vec<Object> {
    let mut dice = Dice::new(seed);
    let namespaces: Vec<String> = (0..(size / 20).clamp(1, 20)).map(|n| format!("team{n:02}")).collect();
    (0..size)
        .map(|n| {
            let share = n * 1000 / size;
            let namespace = namespaces[n % namespaces.len()].clone();
            let name = format!("o{n:05}");
            let (kind, api, plural, body) = match share {
                0..400 => {
                    let data: String = (0..8).fold(String::new(), |mut text, key| {
                        let _ = writeln!(text, "  key{key}: {}", dice.text(110));
                        text
                    });
                    ("ConfigMap", "v1", "configmaps", format!("data:\n{data}"))
                }
                400..600 => (
                    "Deployment",
                    "apps/v1",
                    "deployments",
                    format!(
                        "spec:\n  replicas: 0\n  selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata: {{labels: \
                         {{app: {name}}}}}\n    spec:\n      containers:\n        - name: main\n          image: registry.example.com/{}:1\n          \
                         env: [{{name: A, value: {}}}]\n          resources: {{requests: {{cpu: 10m, memory: 16Mi}}}}\n",
                        dice.text(8),
                        dice.text(12)
                    ),
                ),
                600..750 => (
                    "Service",
                    "v1",
                    "services",
                    format!("spec: {{clusterIP: None, selector: {{app: {name}}}, ports: [{{name: http, port: 80, protocol: TCP}}]}}\n"),
                ),
                750..850 => ("ServiceAccount", "v1", "serviceaccounts", String::new()),
                850..900 => (
                    "Role",
                    "rbac.authorization.k8s.io/v1",
                    "roles",
                    "rules: [{apiGroups: [\"\"], resources: [configmaps], verbs: [get, list]}]\n".to_owned(),
                ),
                900..950 => (
                    "RoleBinding",
                    "rbac.authorization.k8s.io/v1",
                    "rolebindings",
                    "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}\nsubjects: [{kind: \
                     ServiceAccount, name: default, namespace: default}]\n"
                        .to_owned(),
                ),
                _ => (
                    "Lamp",
                    "bench.example.com/v1",
                    "lamps",
                    format!("spec: {{color: {}, watts: {}}}\n", dice.text(6), dice.next() % 100),
                ),
            };
            Object { kind, api, plural, namespace, name, body, value: 1 }
        })
        .collect()
}

/// One percent of them are changed.
pub(crate) fn change(objects: &mut [Object], seed: u64) {
    let many = objects.len().div_ceil(100);
    for place in Dice::new(seed).some(objects.len(), many) {
        objects[place].value += 1;
    }
}
