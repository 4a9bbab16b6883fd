//! Large inputs load; hostile ones are refused, quickly and with a word.

use std::fmt::Write as _;

use skyplan::{
    compile::compile,
    load::{self, tree::SourceTree},
};

const PROJECT: &str = "apiVersion: skyplan.io/v1alpha1\nkind: Project\nname: big\n---\n\
    apiVersion: skyplan.io/v1alpha1\nkind: Cluster\nname: one\ndriver: local\n---\n\
    apiVersion: skyplan.io/v1alpha1\nkind: Application\nname: app\nsources: [{path: all.yaml}]\n";

fn tree(manifests: String) -> SourceTree {
    SourceTree { files: [("skyplan.yaml".into(), PROJECT.into()), ("all.yaml".into(), manifests.into())].into() }
}

#[test]
fn a_file_of_ten_megabytes_loads_with_every_place() {
    let mut text = String::new();
    let mut count = 0;
    while text.len() < 10_000_000 {
        count += 1;
        let _ = write!(
            text,
            "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c{count}\n  labels: {{a: b, c: d}}\ndata:\n  \
             one: {}\n  two: |\n    {}\n    {}\n",
            "x".repeat(400),
            "y".repeat(400),
            "z".repeat(400)
        );
    }
    let (set, out) = load::read(&tree(text));
    assert!(out.is_empty(), "{out:?}");
    let (model, out) = compile(&set);
    assert!(out.is_empty(), "{out:?}");
    let model = model.unwrap();
    assert_eq!(model.objects.len(), count);
    assert_eq!(model.objects[1].origin.line, 13);
}

#[test]
fn hostile_files_are_refused() {
    let bomb = (1..30).fold("a0: &a0 [x, x]\n".to_owned(), |mut text, i| {
        let _ = writeln!(text, "a{i}: &a{i} [*a{0}, *a{0}, *a{0}, *a{0}]", i - 1);
        text
    });
    for (what, text) in [
        ("an alias bomb", bomb),
        ("20,000 brackets", "[".repeat(20_000)),
        ("20,000 maps", (0..20_000).map(|i| format!("{}a:\n", " ".repeat(i))).collect()),
        ("a NUL byte", "a: \0".into()),
    ] {
        let (_, out) = load::read(&tree(text));
        assert!(out.has_errors(), "{what}");
    }
}
