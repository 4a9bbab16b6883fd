//! `skyplan keygen`, `sign` and `verify`: keys, and signatures of plan files.

use std::{collections::BTreeSet, path::Path};

use serde_json::json;

use crate::{
    cli::{
        args::{KeygenArgs, SignArgs, VerifyArgs},
        exit::Exit,
        keys,
        output::Output,
        planfile,
        session::Session,
    },
    diagnostic::Diagnostic,
    trust::{Trust, public_key},
};

pub(in crate::cli) fn keygen(args: &KeygenArgs, output: &Output) -> Exit {
    let made =
        args.out.clone().map_or_else(keys::default_place, Ok).and_then(|file| Ok((keys::generate(&file)?, file)));
    match made {
        Ok((public, file)) => {
            output.print(&format!("{public}\n"));
            output.say(&format!(
                "The private key is in {}. Keep it to yourself; what is above goes into `trust.signers` of skyplan.yaml.",
                file.display()
            ));
            Exit::Done
        }
        Err(d) => output.fault(d),
    }
}

pub(in crate::cli) fn sign(args: &SignArgs, output: &Output) -> Exit {
    let signed = args.key.clone().map_or_else(keys::default_place, Ok).and_then(|key| keys::sign(&args.plan, &key));
    match signed {
        Ok(public) => {
            let place = keys::signature_file(&args.plan);
            output.say(&format!("Signed by {public}; the signature is in {}.", place.display()));
            Exit::Done
        }
        Err(d) => output.fault(d),
    }
}

pub(in crate::cli) fn verify(root: &Path, args: &VerifyArgs, output: &Output) -> Exit {
    let read = planfile::read_all(&args.plan).and_then(|file| Ok((keys::signers(&args.plan, &file)?, file)));
    let (by, file) = match read {
        Ok(read) => read,
        Err(d) => return output.fault(d),
    };
    let trusted = if args.signers.is_empty() {
        let mut project = args.project.clone();
        project.reading.env = file.plan.environment.clone().or(project.reading.env);
        let opened = Session::open(root, &project, output).and_then(|s| s.log().map_err(|d| output.fault(d)));
        match opened {
            Ok(log) => Trust::in_force(&log.state().trust, file.plan.trust.as_ref()).signers.clone(),
            Err(exit) => return exit,
        }
    } else {
        let keys: Result<BTreeSet<String>, String> = args.signers.iter().map(|key| public_key(key)).collect();
        match keys {
            Ok(keys) => keys,
            Err(why) => return output.fault(Diagnostic::error("SKY0905", why)),
        }
    };
    let good = !by.is_disjoint(&trusted);
    if args.json {
        let signers: Vec<_> = by.iter().map(|key| json!({"key": key, "trusted": trusted.contains(key)})).collect();
        output.json(&json!({
            "formatVersion": "1.0", "digest": file.plan.meaning(), "trusted": good, "signers": signers,
        }));
    } else {
        output.print(&format!("plan {}\n", file.plan.meaning()));
        for key in &by {
            let word = if trusted.contains(key) { "trusted" } else { "not trusted" };
            output.print(&format!("signed by {key} ({word})\n"));
        }
    }
    if good {
        return Exit::Done;
    }
    let rules = Trust { signers: trusted, ..Trust::default() };
    output.fault(rules.unsigned_plan(Some(&by)))
}
