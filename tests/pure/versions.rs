//! A kind that is used in two versions: each object is seen in its own.

use crate::support::{log::applied, log::plan, project::Project};

fn scaler(version: &str, name: &str) -> String {
    format!(
        "apiVersion: autoscaling/{version}\nkind: HorizontalPodAutoscaler\nmetadata: {{name: {name}}}\n\
         spec: {{maxReplicas: 3, scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: nobody}}}}\n"
    )
}

#[test]
fn each_object_is_asked_for_in_the_version_that_it_is_written_in() {
    let mut project = Project::example("quickstart");
    for (version, name) in [("v1", "old"), ("v2", "new"), ("v2", "renewed")] {
        let file = format!("hello/manifests/{name}.yaml");
        project.tree.files.insert(file.as_str().into(), scaler(version, name).as_str().into());
    }
    let (world, log) = applied(&project);
    // What was recorded in one version and is written in another is seen as it is written.
    project.tree.files.insert("hello/manifests/renewed.yaml".into(), scaler("v1", "renewed").as_str().into());
    let planned = plan(&world, Some(&project.model()), &log.state).unwrap();
    let version = |name: &str| {
        let address = format!("object/quickstart/autoscaling/HorizontalPodAutoscaler/hello/{name}");
        planned.asked["quickstart"].versions.get(&address.parse().unwrap()).cloned()
    };
    assert_eq!(version("old").as_deref(), Some("autoscaling/v1"));
    assert_eq!(version("new").as_deref(), Some("autoscaling/v2"));
    assert_eq!(version("renewed").as_deref(), Some("autoscaling/v1"));
    // Kinds of one version need no word.
    assert_eq!(
        planned.asked["quickstart"].versions.get(&"object/quickstart/apps/Deployment/hello/web".parse().unwrap()),
        None
    );
}
