//! Encrypted manifests, opened in memory: files that SOPS wrote for age recipients, and files that age
//! encrypted whole (`*.yaml.age`).
//!
//! Opened values stand in the trees only: texts, excerpts and digests stay those of the encrypted file. What
//! is encrypted belongs into Secrets: anywhere else its values would be in plans.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod words;

use std::sync::Arc;

use aes_gcm::{
    AesGcm, KeyInit as _, Nonce,
    aead::{Aead as _, Payload, consts::U32},
    aes::Aes256,
};
use sha2::{Digest as _, Sha512};

use super::yaml::{self, Node, Tree};
use crate::{
    diagnostic::{Diagnostic, Origin},
    seal::{Closed, Keyring},
};

/// What a value begins with that SOPS encrypted.
pub(super) const ENCRYPTED: &str = "ENC[AES256_GCM,";
/// Where a MAC over encrypted values alone begins, so that it is no MAC over all values.
const ONLY_ENCRYPTED: [u8; 32] = [
    0x8a, 0x3f, 0xd2, 0xad, 0x54, 0xce, 0x66, 0x52, 0x7b, 0x10, 0x34, 0xf3, 0xd1, 0x47, 0xbe, 0x0b, 0x0b, 0x97, 0x5b,
    0x3b, 0xf4, 0x4f, 0x72, 0xc6, 0xfd, 0xad, 0xec, 0x81, 0x76, 0xf2, 0x7d, 0x69,
];

/// Whether a file is encrypted whole.
pub(super) fn is_age(path: &str) -> bool {
    path.to_ascii_lowercase().ends_with(".age")
}

/// The documents of a file that age encrypted whole.
pub(super) fn open_age(path: &Arc<str>, text: &str, keys: &Keyring) -> Result<Vec<Node>, Box<Diagnostic>> {
    let origin = Origin::file(Arc::clone(path));
    let plain = keys.open(text.as_bytes()).map_err(|closed| closed_to(&closed, &origin, ""))?;
    let plain = String::from_utf8(plain).map_err(|_| damaged(&origin, "what is in it is not UTF-8 text"))?;
    // The parser's words would repeat what is in it.
    let nodes = yaml::parse(path, &plain).map_err(|_| damaged(&origin, "what is in it is not valid YAML"))?;
    match nodes.iter().find(|node| !is_secret(node)) {
        Some(node) => Err(Box::new(not_secret(&node.span.origin(path), "this document"))),
        None => Ok(nodes),
    }
}

/// Whether SOPS wrote these documents.
pub(super) fn is_sops(nodes: &[Node]) -> bool {
    nodes.iter().filter_map(|n| n.get("sops")).any(|sops| sops.get("mac").is_some())
}

/// The documents as they were before SOPS encrypted them, each value where it stood.
pub(super) fn open_sops(
    path: &Arc<str>,
    source: &str,
    mut nodes: Vec<Node>,
    keys: &Keyring,
) -> Result<Vec<Node>, Box<Diagnostic>> {
    let entries = nodes.iter().filter_map(|n| if let Tree::Map(entries) = &n.value { Some(entries) } else { None });
    let Some((head, sops)) = entries.flatten().find(|(key, _)| &*key.value == "sops").cloned() else {
        return Ok(nodes);
    };
    let origin = head.span.origin(path);
    let text = |name: &str| sops.get(name).and_then(Node::text).unwrap_or_default().to_owned();
    let key = data_key(&sops, &origin, keys)?;
    let cipher = Cipher::new_from_slice(&key).map_err(|_| damaged(&origin, "its data key has another length"))?;
    let mut sum = Sha512::new();
    let all = !matches!(sops.get("mac_only_encrypted"), Some(Node { value: Tree::Bool(true), .. }));
    if !all {
        sum.update(ONLY_ENCRYPTED);
    }
    let mut open = Opener { cipher: &cipher, sum, all, file: path, source, time: None };
    for node in &mut nodes {
        let Tree::Map(entries) = &mut node.value else { continue };
        entries.retain(|(key, _)| &*key.value != "sops");
        let mut opened = Vec::new();
        for (key, value) in entries {
            open.walk(value, &format!("{}:", key.value), &mut opened)?;
        }
        if let Some((place, _)) = opened.iter().find(|(_, name)| !(is_secret(node) && may_be_encrypted(name))) {
            return Err(Box::new(not_secret(place, "this value")));
        }
    }
    let mac = open.cipher.value(&text("mac"), &text("lastmodified")).map_err(|why| damaged(&origin, &why))?;
    let found: String = open.sum.finalize().iter().map(|byte| format!("{byte:02X}")).collect();
    if mac.0 != found {
        let fault = damaged(&origin, "its values are not those that were encrypted: something was changed by hand");
        return Err(match open.time {
            Some(time) => Box::new(fault.detail(format!(
                "Or it is line {}: versions of SOPS take what may be a time for different things. In quotes it is text.",
                time.line
            ))),
            None => fault,
        });
    }
    Ok(nodes)
}

/// The key that the values are encrypted with, which is encrypted for each recipient.
fn data_key(sops: &Node, origin: &Origin, keys: &Keyring) -> Result<Vec<u8>, Box<Diagnostic>> {
    if let Some(Node { value: Tree::List(_), .. }) = sops.get("key_groups") {
        return Err(damaged(origin, "its key is divided into groups, which skyplan does not put together"));
    }
    let Some(Tree::List(age)) =
        sops.get("age").map(|n| &n.value).filter(|v| !matches!(v, Tree::List(l) if l.is_empty()))
    else {
        return Err(damaged(origin, "it is encrypted for no age recipient, and skyplan knows no other kind"));
    };
    let field = |node: &Node, name: &str| node.get(name).and_then(Node::text).unwrap_or_default().to_owned();
    let mut last = Closed::NoKey(0);
    for entry in age {
        match keys.open(field(entry, "enc").trim_start().as_bytes()) {
            Ok(key) => return Ok(key),
            Err(closed) => last = closed,
        }
    }
    let recipients: Vec<String> = age.iter().map(|entry| field(entry, "recipient")).collect();
    Err(closed_to(&last, origin, &recipients.join("\n  ")))
}

type Cipher = AesGcm<Aes256, U32>;

/// One value.
trait Open {
    /// Its text and its type.
    fn value(&self, text: &str, path: &str) -> Result<(String, String), String>;
}

impl Open for Cipher {
    fn value(&self, text: &str, path: &str) -> Result<(String, String), String> {
        let wrong = || "a value is not in the form that SOPS writes".to_owned();
        let inner = text.strip_prefix(ENCRYPTED).and_then(|t| t.strip_suffix(']')).ok_or_else(wrong)?;
        let mut parts = inner.split(',');
        let mut part = |name: &str| parts.next().and_then(|p| p.strip_prefix(name)).ok_or_else(wrong);
        let (data, iv, tag, kind) = (part("data:")?, part("iv:")?, part("tag:")?, part("type:")?);
        let bytes = |text: &str| crate::digest::from_base64(text).ok_or_else(wrong);
        let (iv, mut message) = (bytes(iv)?, bytes(data)?);
        message.extend(bytes(tag)?);
        if iv.len() != 32 {
            return Err(wrong());
        }
        let payload = Payload { msg: &message, aad: path.as_bytes() };
        let plain = self
            .decrypt(Nonce::<U32>::from_slice(&iv), payload)
            .map_err(|_| "a value was changed, or moved to another key".to_owned())?;
        Ok((String::from_utf8(plain).map_err(|_| "a value is not text".to_owned())?, kind.to_owned()))
    }
}

/// Opens values, and adds all of them up as SOPS does.
struct Opener<'a> {
    cipher: &'a Cipher,
    sum: Sha512,
    /// Whether values count that are not encrypted.
    all: bool,
    file: &'a Arc<str>,
    /// The file's text: what SOPS takes a plain word for is not always what the tree has.
    source: &'a str,
    /// The first word that may be a time.
    time: Option<Origin>,
}

impl Opener<'_> {
    /// Notes places and paths of what was encrypted. Items of lists have their list's path.
    fn walk(&mut self, node: &mut Node, path: &str, opened: &mut Vec<(Origin, String)>) -> Result<(), Box<Diagnostic>> {
        let origin = node.span.origin(self.file);
        let word = word(self.source, node);
        let plain = match &mut node.value {
            Tree::List(items) => return items.iter_mut().try_for_each(|item| self.walk(item, path, opened)),
            Tree::Map(entries) => {
                return entries
                    .iter_mut()
                    .try_for_each(|(key, value)| self.walk(value, &format!("{path}{}:", key.value), opened));
            }
            Tree::Text(text) if text.starts_with(ENCRYPTED) => {
                let (plain, kind) = self.cipher.value(text, path).map_err(|why| damaged(&origin, &why))?;
                self.sum.update(plain.as_bytes());
                opened.push((origin.clone(), path.to_owned()));
                node.value =
                    typed(plain, &kind).ok_or_else(|| damaged(&origin, "a value is not of the type it says"))?;
                return Ok(());
            }
            // Not encrypted: as it stands there, or where it stands elsewhere, as it was read.
            tree => match word {
                Some(word) => {
                    if words::is_time(word) {
                        self.time.get_or_insert(origin);
                    }
                    words::counted(word)
                }
                None => match tree {
                    Tree::Text(text) => Some(text.to_string()),
                    Tree::Bool(true) => Some("True".into()),
                    Tree::Bool(false) => Some("False".into()),
                    Tree::Int(n) => Some(n.to_string()),
                    Tree::UInt(n) => Some(n.to_string()),
                    Tree::Float(x) => Some(x.to_string()),
                    Tree::Null | Tree::List(_) | Tree::Map(_) => None,
                },
            },
        };
        if let Some(plain) = plain.filter(|_| self.all) {
            self.sum.update(plain.as_bytes());
        }
        Ok(())
    }
}

/// A plain word on one line, as it is written; `None` for what is in quotes, in a block, tagged, or a reference.
fn word<'a>(source: &'a str, node: &Node) -> Option<&'a str> {
    let start = node.span.start as usize;
    let raw = source.get(start..start + node.span.len as usize)?.trim_end();
    let quoted = raw.is_empty() || raw.starts_with(['"', '\'', '|', '>', '*', '&', '!']) || raw.contains('\n');
    // What is in a block stands there without the sign that begins it.
    let before = source.get(..start)?.trim_end().lines().next_back().unwrap_or_default();
    let before = before.split(" #").next()?.trim_end().rsplit([' ', '\t']).next()?;
    let other = before.starts_with(['|', '>', '!', '&']) || node.text().is_some_and(|text| text != raw);
    (!quoted && !other).then_some(raw)
}

fn typed(plain: String, kind: &str) -> Option<Tree> {
    Some(match kind {
        "str" | "bytes" => Tree::Text(plain.into()),
        "bool" => Tree::Bool(plain.eq_ignore_ascii_case("true")),
        "int" => plain.parse().map(Tree::UInt).or_else(|_| plain.parse().map(Tree::Int)).ok()?,
        "float" => Tree::Float(plain.parse().ok()?),
        _ => return None,
    })
}

fn is_secret(node: &Node) -> bool {
    let is = |name: &str, text: &str| node.get(name).and_then(Node::text) == Some(text);
    is("apiVersion", "v1") && is("kind", "Secret")
}

/// Fields of a Secret that are secret, and those that say which it is: SOPS encrypts them, too, where nobody
/// says what it shall leave alone.
fn may_be_encrypted(path: &str) -> bool {
    const NAMES: [&str; 6] = ["apiVersion:", "kind:", "type:", "immutable:", "metadata:name:", "metadata:namespace:"];
    path.starts_with("data:") || path.starts_with("stringData:") || NAMES.contains(&path)
}

fn closed_to(closed: &Closed, origin: &Origin, recipients: &str) -> Box<Diagnostic> {
    let keys = match closed {
        Closed::Damaged(why) => return damaged(origin, why),
        Closed::NoKey(0) => "no key is at hand".to_owned(),
        Closed::NoKey(1) => "the key at hand is another".to_owned(),
        Closed::NoKey(n) => format!("none of the {n} keys at hand fits"),
    };
    let d = Diagnostic::error("SKY0133", format!("this file is encrypted, and {keys}")).at(origin);
    let d = if recipients.is_empty() { d } else { d.detail(format!("It is encrypted for:\n  {recipients}")) };
    Box::new(d.hint(
        "name the file of your key in SKYPLAN_AGE_IDENTITY_FILE or SOPS_AGE_KEY_FILE, or give it in SKYPLAN_AGE_IDENTITY or \
         SOPS_AGE_KEY",
    ))
}

fn damaged(origin: &Origin, why: &str) -> Box<Diagnostic> {
    Box::new(
        Diagnostic::error("SKY0134", format!("this encrypted file cannot be read: {why}"))
            .at(origin)
            .hint("change encrypted files with the tool that wrote them: `sops FILE`, `age`"),
    )
}

fn not_secret(origin: &Origin, what: &str) -> Diagnostic {
    Diagnostic::error("SKY0135", format!("{what} is encrypted, and plans would show it"))
        .at(origin)
        .detail("Values of a Secret's `data` and `stringData` are kept out of plans; those of anything else are not.")
        .hint("keep in the encrypted file what belongs into a Secret, and the rest in a file of its own")
        .hint("with SOPS: `sops encrypt --encrypted-regex '^(data|stringData)$'`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "what sops and age wrote")]
    fn file(name: &str) -> Vec<u8> {
        std::fs::read(format!("{}/testdata/sealed/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    fn keys(name: &str) -> Keyring {
        let mut keys = Keyring::default();
        keys.add(&String::from_utf8(file(name)).unwrap()).unwrap();
        keys
    }

    fn parse(text: &str) -> Vec<Node> {
        yaml::parse(&"f.yaml".into(), text).unwrap()
    }

    fn plain(name: &str) -> Vec<serde_json::Value> {
        parse(&String::from_utf8(file(name)).unwrap()).into_iter().map(Node::into_json).collect()
    }

    fn sops(text: &str, keys: &Keyring) -> Result<Vec<Node>, Box<Diagnostic>> {
        let nodes = parse(text);
        assert!(is_sops(&nodes));
        open_sops(&"f.yaml".into(), text, nodes, keys)
    }

    fn code(text: &str) -> String {
        sops(text, &keys("key.txt")).map_or_else(|d| d.code, |_| "read".into())
    }

    #[test]
    fn what_sops_encrypted_is_as_it_was() {
        for (name, was) in
            [("regex.yaml", "plain.yaml"), ("mac-only.yaml", "plain.yaml"), ("whole.yaml", "nolabels.yaml")]
        {
            let nodes = sops(&String::from_utf8(file(name)).unwrap(), &keys("key.txt")).unwrap();
            assert_eq!(nodes.into_iter().map(Node::into_json).collect::<Vec<_>>(), plain(was), "{name}");
        }
    }

    #[test]
    fn words_that_sops_takes_otherwise_are_no_fault() {
        // The second as SOPS wrote it; the first with the words that it was given, which it takes for the same.
        for name in ["words.yaml", "words-written.yaml"] {
            let text = String::from_utf8(file(name)).unwrap();
            assert_eq!(code(&text), "read", "{name}");
            for (from, to) in [("- _1\n", "- _2\n"), ("- true", "- \"true\""), ("- text with", "- texts with")] {
                assert!(text.contains(from), "{from}");
                assert_eq!(code(&text.replacen(from, to, 1)), "SKY0134", "{name}: {from}");
            }
        }
        let text = String::from_utf8(file("words.yaml")).unwrap();
        for (from, to) in [("- yes\n", "- \"yes\"\n"), ("- 0o17", "- 15"), ("- 1_000", "- 1000"), ("- 1e3", "- 1000")] {
            assert!(text.contains(from), "{from}");
            assert_eq!(code(&text.replacen(from, to, 1)), "read", "{from}");
        }
        let fault = sops(&text.replace("- _1\n", "- _2\n"), &keys("key.txt")).unwrap_err();
        assert!(fault.detail.contains("may be a time"), "{fault:?}");
    }

    #[test]
    fn what_age_encrypted_is_as_it_was() {
        for (name, key) in [("plain.yaml.age", "key.txt"), ("armored.yaml.age", "key.txt"), ("armored.yaml.age", "ssh")]
        {
            let bytes = file(name);
            let text = String::from_utf8(bytes).unwrap_or_else(|e| crate::seal::armored(e.as_bytes()));
            let nodes = open_age(&name.into(), &text, &keys(key)).unwrap();
            assert_eq!(nodes.into_iter().map(Node::into_json).collect::<Vec<_>>(), plain("plain.yaml"), "{name}");
        }
        let map = String::from_utf8(file("map.yaml.age")).unwrap();
        assert_eq!(open_age(&"map.yaml.age".into(), &map, &keys("key.txt")).unwrap_err().code, "SKY0135");
        assert_eq!(open_age(&"map.yaml.age".into(), &map, &keys("ssh")).unwrap_err().code, "SKY0133");
        assert_eq!(open_age(&"map.yaml.age".into(), &map[..200], &keys("key.txt")).unwrap_err().code, "SKY0134");
    }

    #[test]
    fn what_was_changed_by_hand_is_found() {
        let text = String::from_utf8(file("regex.yaml")).unwrap();
        assert_eq!(code(&text), "read");
        // What is not encrypted counts, too, unless SOPS was told otherwise.
        assert_eq!(code(&text.replace("app: shop", "app: shed")), "SKY0134");
        let only = String::from_utf8(file("mac-only.yaml")).unwrap();
        assert_eq!(code(&only.replace("app: shop", "app: shed")), "read");
        assert_eq!(code(&only.replace("namespace: shop", "namespace: shed")), "read");
        for text in [&text, &only] {
            // Values in each other's place, one that is gone, one that is not encrypted, one of other bytes.
            let swapped = text
                .replace("password: ENC", "x: ENC")
                .replace("url: ENC", "password: ENC")
                .replace("x: ENC", "url: ENC");
            assert_eq!(code(&swapped), "SKY0134");
            let line = text.lines().find(|l| l.trim_start().starts_with("password: ENC")).unwrap();
            assert_eq!(code(&text.replace(line, "")), "SKY0134");
            assert_eq!(code(&text.replace(line, "    password: mine")), "SKY0134");
            assert_eq!(code(&text.replace(line, &line.replacen("data:", "data:AAAA", 1))), "SKY0134");
            assert_eq!(code(&text.replace(line, &line.replace(",tag", ""))), "SKY0134");
        }
    }

    #[test]
    fn what_is_no_secret_is_not_encrypted() {
        assert_eq!(code(&String::from_utf8(file("map.yaml")).unwrap()), "SKY0135");
        let whole = String::from_utf8(file("regex.yaml")).unwrap();
        let fault = sops(&whole, &keys("ssh")).unwrap_err();
        assert!(fault.code == "SKY0133" && fault.detail.contains("age1"), "{fault:?}");
    }
}
