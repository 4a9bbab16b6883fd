//! The pages of `docs/codes/`, for `skyplan explain CODE`. Knows which there are, not what they say.

/// Page after page, by code.
macro_rules! pages {
    ($($code:literal)*) => {
        &[$(($code, include_str!(concat!("../../docs/codes/", $code, ".md")))),*]
    };
}

/// Every code with its page, sorted.
const PAGES: &[(&str, &str)] = pages! {
    "SKY0101" "SKY0102" "SKY0103" "SKY0104" "SKY0105" "SKY0106" "SKY0107" "SKY0108"
    "SKY0109" "SKY0110" "SKY0111" "SKY0112" "SKY0113" "SKY0114" "SKY0115" "SKY0116"
    "SKY0117" "SKY0120" "SKY0125" "SKY0126" "SKY0127" "SKY0128" "SKY0129" "SKY0130"
    "SKY0131" "SKY0132" "SKY0133" "SKY0134" "SKY0135" "SKY0140" "SKY0141" "SKY0142" "SKY0143" "SKY0144" "SKY0145" "SKY0146" "SKY0150" "SKY0151" "SKY0152" "SKY0160"
    "SKY0201" "SKY0202" "SKY0203" "SKY0204" "SKY0205" "SKY0206"
    "SKY0207" "SKY0208" "SKY0209" "SKY0210" "SKY0211" "SKY0212" "SKY0213" "SKY0214" "SKY0215" "SKY0216"
    "SKY0217" "SKY0219" "SKY0220" "SKY0221" "SKY0222" "SKY0223" "SKY0224" "SKY0225" "SKY0230"
    "SKY0231" "SKY0232" "SKY0240" "SKY0241" "SKY0242" "SKY0243" "SKY0260" "SKY0261" "SKY0401"
    "SKY0402" "SKY0403" "SKY0404" "SKY0405" "SKY0406" "SKY0410" "SKY0411" "SKY0412" "SKY0420"
    "SKY0430" "SKY0431" "SKY0490" "SKY0501" "SKY0502" "SKY0503" "SKY0504" "SKY0505"
    "SKY0506" "SKY0507" "SKY0508" "SKY0509" "SKY0510" "SKY0511" "SKY0520" "SKY0521" "SKY0522" "SKY0523"
    "SKY0524" "SKY0525" "SKY0526" "SKY0530" "SKY0531" "SKY0545" "SKY0601" "SKY0602" "SKY0603" "SKY0604"
    "SKY0605" "SKY0606" "SKY0607" "SKY0608" "SKY0609" "SKY0610" "SKY0611" "SKY0612"
    "SKY0613" "SKY0614" "SKY0615" "SKY0616" "SKY0617" "SKY0618" "SKY0619" "SKY0620"
    "SKY0701" "SKY0702" "SKY0703" "SKY0704" "SKY0705" "SKY0706" "SKY0707" "SKY0708"
    "SKY0709" "SKY0711" "SKY0712" "SKY0713" "SKY0714" "SKY0715" "SKY0716" "SKY0717"
    "SKY0718" "SKY0719" "SKY0801" "SKY0802" "SKY0803" "SKY0804" "SKY0805" "SKY0810" "SKY0811" "SKY0820"
    "SKY0821" "SKY0822" "SKY0901"
    "SKY0902" "SKY0903" "SKY0904" "SKY0905" "SKY0906" "SKY0907" "SKY0910" "SKY0911"
    "SKY0912" "SKY0913" "SKY0915" "SKY0916" "SKY0918" "SKY0919" "SKY0920" "SKY0921"
    "SKY0922" "SKY0923" "SKY0924" "SKY0925" "SKY0930" "SKY0932"
};

/// What a code means: its page, as Markdown. Codes are taken in any case, and without `SKY`.
pub fn page(code: &str) -> Option<&'static str> {
    let code = code.to_uppercase();
    let digits = code.strip_prefix("SKY").unwrap_or(&code);
    PAGES.iter().find(|(known, _)| known.strip_prefix("SKY") == Some(digits)).map(|(_, page)| *page)
}

/// All codes, sorted.
pub fn all() -> impl Iterator<Item = &'static str> {
    PAGES.iter().map(|(code, _)| *code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_found_by_its_code() {
        assert!(page("SKY0101").is_some_and(|p| p.starts_with("# SKY0101: ")));
        assert_eq!(page("sky0101"), page("0101"));
        assert_eq!(page("SKY9999"), None);
        assert!(all().is_sorted());
    }

    #[test]
    fn golden_codes_of_modules_above() {
        use super::super::diagnostics::golden;
        golden(&crate::place::unsound(&["shop/till: 5 CPU on a node with 4".to_owned()]), &[]);
        golden(&crate::state::store::lost(7), &[]);
        golden(&crate::plan::file::other_format("plan.json", "2.0"), &[]);
        let cidr = |text: &str| crate::network::Cidr::parse(text).unwrap();
        let origin = crate::diagnostic::Origin { file: "clusters.yaml".into(), line: 7, column: 17, start: 0, len: 0 };
        let (has, written) = (cidr("10.245.0.0/16"), cidr("10.1.0.0/16"));
        golden(&crate::plan::networks::fixed("edge", crate::network::Use::Pods, has, written, &origin), &[]);
        let trust = crate::trust::Trust { signers: ["ssh-ed25519 AAAAC3Nz…".into()].into(), ..Default::default() };
        golden(&crate::trust::Trust::permits(&trust, Some(&trust), &Default::default()).unwrap_err(), &[]);
        let check = crate::plan::change::Check {
            severity: crate::plan::change::CheckSeverity::Error,
            rule: "dangling".into(),
            address: "object/dev/apps/Deployment/shop/web".parse().ok(),
            text: "it waits for something that the plan does not have".into(),
        };
        golden(&crate::plan::check::refusal(&[check]).unwrap(), &[]);
    }
}
