//! What may be said when the credentials of a kubeconfig cannot be had.
//!
//! The library's errors repeat what they met: lines of the kubeconfig, the environment of a credential plugin
//! and all that it printed, proxies with their passwords. Here is said what went wrong, and nothing of that.

use std::{error::Error, io::IsTerminal as _};

use kube::{
    Config,
    client::AuthError,
    config::{ExecInteractiveMode, KubeconfigError},
};
use secrecy::{ExposeSecret as _, SecretString};

/// What may be said of an error that repeats more than that; `None` for one that does not.
pub fn words(error: &(dyn Error + 'static)) -> Option<String> {
    std::iter::successors(Some(error), |e| (*e).source()).find_map(|e| {
        if let Some(error) = e.downcast_ref::<AuthError>() {
            return auth(error);
        }
        if let Some(KubeconfigError::Parse(error)) = e.downcast_ref::<KubeconfigError>() {
            let place = error.location().map(|l| format!(" at line {}, column {}", l.line(), l.column()));
            return Some(format!("it is not the YAML of a kubeconfig{}", place.unwrap_or_default()));
        }
        let (url, why) = match e.downcast_ref::<kube::Error>()? {
            kube::Error::ProxyProtocolUnsupported { proxy_url } => (proxy_url, "speaks an unknown protocol"),
            kube::Error::ProxyProtocolDisabled { proxy_url, .. } => (proxy_url, "cannot be used by this program"),
            _ => return None,
        };
        Some(format!("the proxy {}://{} {why}", url.scheme_str().unwrap_or("http"), url.host().unwrap_or_default()))
    })
}

/// An error in words that may be said.
pub fn told<E: Error + 'static>(error: &E) -> String {
    words(error).unwrap_or_else(|| error.to_string())
}

fn auth(error: &AuthError) -> Option<String> {
    Some(match error {
        AuthError::AuthExecRun { out, .. } => {
            format!("the credential plugin failed ({}); what it printed is not shown, as keys may be in it", out.status)
        }
        AuthError::AuthExecParse(_) => "what the credential plugin printed is no ExecCredential".into(),
        AuthError::AuthExec(_) | AuthError::ParseTokenKey(_) => {
            "what the credential program printed has no credentials in it".into()
        }
        _ => return None,
    })
}

/// Makes credentials ready. Where nobody is at a terminal, a credential plugin is told so, and what it prints
/// goes into no log.
///
/// # Errors
/// Why they cannot be used: the library would panic.
pub fn prepare(config: &mut Config) -> Result<(), String> {
    let sent = |token: &SecretString| token.expose_secret().bytes().all(|b| b == b'\t' || (b >= b' ' && b != 0x7f));
    if !config.auth_info.token.as_ref().is_none_or(sent) {
        return Err("the token has a line end or another control character in it".into());
    }
    if let Some(plugin) = config.auth_info.exec.as_mut().filter(|_| !std::io::stdin().is_terminal()) {
        plugin.interactive_mode = Some(ExecInteractiveMode::Never);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use kube::config::Kubeconfig;

    use super::*;

    /// What is said of a kubeconfig with this user, and whether the library would have told more.
    fn said(user: &str) -> (String, bool) {
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{{name: a, cluster: {{server: 'http://127.0.0.1:1'{}}}}}]\n\
             contexts: [{{name: c, context: {{cluster: a, user: u}}}}]\nusers:\n- name: u\n  user:\n    {user}\n",
            if user.is_empty() { ", proxy-url: 'socks5://me:planted@p:1'" } else { "" },
        );
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _within = runtime.enter();
        let made = Kubeconfig::from_yaml(&text).map_err(kube::Error::from).and_then(|file| {
            let mut config = runtime.block_on(Config::from_custom_kubeconfig(file, &Default::default()))?;
            prepare(&mut config).unwrap();
            kube::Client::try_from(config)
        });
        let Err(error) = made else { panic!("{user}") };
        let all = format!("{error} {error:?}");
        (words(&error).unwrap(), all.contains("planted"))
    }

    #[test]
    fn what_a_kubeconfig_holds_is_not_repeated() {
        let exec = |script: &str| {
            format!(
                "exec: {{apiVersion: client.authentication.k8s.io/v1, command: sh, args: [-c, \"{script}\"], env: [{{name: K, value: \
                 planted}}], interactiveMode: Never}}"
            )
        };
        for (user, want) in [
            (exec("echo planted; echo planted >&2; exit 3"), "the credential plugin failed (exit status: 3)"),
            (exec("echo '{planted: [planted'"), "what the credential plugin printed is no ExecCredential"),
            ("token: [planted-in-a-list, planted]".into(), "it is not the YAML of a kubeconfig at line 9, column "),
            (String::new(), "the proxy socks5://p cannot be used"),
        ] {
            let (said, more) = said(&user);
            assert!(said.starts_with(want) && !said.contains("planted"), "{said}");
            assert!(more, "the library no longer tells: {user}");
        }
    }
}
