//! Signed plans and commits through the command line, with keys and commits that OpenSSH and Git made.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

/// A project without clusters, and a home of its own.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, program: &str, words: &[&str]) -> (i32, String) {
        let mut command = Command::new(program);
        command.args(words).current_dir(self.path()).stdin(Stdio::null()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.path());
        let output = command.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned())
    }

    #[track_caller]
    fn skyplan(&self, words: &str, status: i32) -> String {
        let words: Vec<&str> = words.split_whitespace().collect();
        let (is, said) = self.command(env!("CARGO_BIN_EXE_skyplan"), &words);
        assert_eq!(is, status, "skyplan {words:?}: {said}");
        said
    }

    #[track_caller]
    fn run(&self, program: &str, words: &[&str]) -> String {
        let (is, said) = self.command(program, words);
        assert_eq!(is, 0, "{program} {words:?}: {said}");
        said
    }

    /// The first line of what is printed is the public key.
    fn key(&self, file: &str) -> String {
        self.skyplan(&format!("keygen -o {file}"), 0).lines().next().unwrap().to_owned()
    }

    fn project(&self, signer: &str, plans: bool, commits: bool) {
        let text = format!(
            "apiVersion: skyplan.io/v1alpha1\nkind: Project\nname: p\ntrust:\n  signers: [{signer}]\n  requireSignedPlans: \
             {plans}\n  requireSignedCommits: {commits}\n"
        );
        fs::write(self.path().join("skyplan.yaml"), text).unwrap();
    }

    fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file}: {text}");
        fs::write(path, text.replace(from, to)).unwrap();
    }
}

fn is_here(program: &str) -> bool {
    Command::new(program).arg("-?").stdin(Stdio::null()).output().is_ok()
}

/// Says so past the capture of tests that pass.
fn not_run(missing: &str) {
    let said = format!("not run: signatures of OpenSSH and Git ({missing} is not on this machine)\n");
    let _ = std::io::stderr().write_all(said.as_bytes());
}

#[test]
fn signed_plans_are_applied_and_no_others() {
    use std::os::unix::fs::PermissionsExt as _;
    let f = Folder::new();
    let (mine, other) = (f.key("mine"), f.key("other"));
    assert_eq!(fs::metadata(f.path().join("mine")).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(f.skyplan("keygen -o mine", 1).contains("SKY0526"));
    f.project(&mine, true, false);
    assert!(f.skyplan("apply --yes", 5).contains("SKY0522"));
    f.skyplan("plan -o plan.json", 0);
    assert!(f.skyplan("apply plan.json", 5).contains("is not signed"));
    f.skyplan("sign plan.json --key other", 0);
    assert!(f.skyplan("verify plan.json", 5).contains("(not trusted)"));
    assert!(f.skyplan("apply plan.json", 5).contains("SKY0522"));
    // The signatures of several people stand beside each other; signing again changes nothing.
    f.skyplan("sign plan.json --key mine", 0);
    let signatures = fs::read(f.path().join("plan.json.sig")).unwrap();
    f.skyplan("sign plan.json --key mine", 0);
    assert_eq!(fs::read(f.path().join("plan.json.sig")).unwrap(), signatures);
    assert!(f.skyplan("verify plan.json", 0).contains("(trusted)"));
    // Laid out anew it is the same plan; said otherwise it is not, also where only people read it.
    let plan = fs::read_to_string(f.path().join("plan.json")).unwrap();
    let value: serde_json::Value = serde_json::from_str(&plan).unwrap();
    fs::write(f.path().join("plan.json"), serde_json::to_string_pretty(&value).unwrap()).unwrap();
    f.skyplan("verify plan.json", 0);
    f.edit("plan.json", "\"skyplanVersion\": \"", "\"skyplanVersion\": \"9");
    assert!(f.skyplan("verify plan.json", 5).contains("SKY0523"));
    assert!(f.skyplan("apply plan.json", 5).contains("SKY0523"));
    fs::write(f.path().join("plan.json"), plan).unwrap();
    f.skyplan("apply plan.json", 0);

    // Now the rules are in the state: the specs alone cannot take them away.
    f.project(&other, false, false);
    assert!(f.skyplan("apply --yes", 5).contains("SKY0524"));
    f.skyplan("plan -o next.json", 0);
    f.skyplan("sign next.json --key other", 0);
    assert!(f.skyplan("apply next.json", 5).contains("SKY0524"));
    f.skyplan("sign next.json --key mine", 0);
    f.skyplan("apply next.json", 0);
    f.skyplan("apply --yes", 0);
    assert!(!f.skyplan("state show", 0).contains(mine.split(' ').nth(1).unwrap()));
}

#[test]
fn openssh_and_skyplan_read_each_others_signatures() {
    if !is_here("ssh-keygen") {
        not_run("ssh-keygen");
        return;
    }
    let f = Folder::new();
    f.run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", "me", "-f", "key"]);
    let public = fs::read_to_string(f.path().join("key.pub")).unwrap();
    f.project(public.trim(), true, false);
    f.skyplan("plan -o plan.json", 0);
    f.skyplan("sign plan.json --key key", 0);
    fs::write(f.path().join("allowed"), format!("me {public}")).unwrap();
    let check = "ssh-keygen -Y verify -n plan@skyplan.io -f allowed -I me -s plan.json.sig < plan.json";
    assert!(f.run("sh", &["-c", check]).contains("Good"));
    fs::remove_file(f.path().join("plan.json.sig")).unwrap();
    f.run("ssh-keygen", &["-q", "-Y", "sign", "-n", "plan@skyplan.io", "-f", "key", "plan.json"]);
    f.skyplan("verify plan.json", 0);
    // A signature of the same key for another purpose is none.
    fs::remove_file(f.path().join("plan.json.sig")).unwrap();
    f.run("ssh-keygen", &["-q", "-Y", "sign", "-n", "file", "-f", "key", "plan.json"]);
    assert!(f.skyplan("apply plan.json", 5).contains("SKY0523"));
}

#[test]
fn commits_that_git_signed_are_applied_and_no_others() {
    if !is_here("git") || !is_here("ssh-keygen") {
        not_run("git or ssh-keygen");
        return;
    }
    let f = Folder::new();
    let (mine, _) = (f.key("mine"), f.key("other"));
    f.project(&mine, false, true);
    fs::write(f.path().join(".gitignore"), "*\n!skyplan.yaml\n").unwrap();
    f.run("git", &["init", "-q", "."]);
    let commit = |how: &[&str], message: &str| {
        let who = ["-c", "user.name=me", "-c", "user.email=me@example.org", "-c", "gpg.format=ssh"];
        f.run("git", &["add", "-A"]);
        f.run("git", &[&who[..], how, &["commit", "-q", "--allow-empty", "-m", message]].concat());
    };
    commit(&["-c", "commit.gpgsign=false"], "not signed");
    assert!(f.skyplan("apply --yes", 5).contains("read from the folder"));
    assert!(f.skyplan("apply --yes --rev HEAD", 5).contains("is not signed"));
    commit(&["-c", "commit.gpgsign=true", "-c", "user.signingkey=other"], "by another");
    assert!(f.skyplan("apply --yes --rev HEAD", 5).contains("is signed by"));
    commit(&["-c", "commit.gpgsign=true", "-c", "user.signingkey=mine"], "by me");
    f.skyplan("apply --yes --rev HEAD", 0);
    assert!(f.skyplan("apply --yes --rev HEAD:", 5).contains("names a folder"));
    // A plan file is of a commit, too: it is applied from there.
    f.skyplan("plan --rev HEAD -o plan.json", 0);
    assert!(f.skyplan("apply plan.json", 5).contains("SKY0525"));
    f.skyplan("apply plan.json --rev HEAD", 0);
    // The same files with the signature of another commit.
    let raw = f.run("git", &["cat-file", "commit", "HEAD"]);
    fs::write(f.path().join("raw"), raw.replace("by me", "by you")).unwrap();
    let forged = f.run("git", &["hash-object", "-t", "commit", "-w", "raw"]);
    assert!(f.skyplan(&format!("apply --yes --rev {}", forged.trim()), 5).contains("is not good"));
}
