//! The lists of extensions: `minimal`, `standard` and `strict`. What stands in a list stands there for a reason.

/// A group of extensions with the reason for which they are listed.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// Why they are listed.
    pub reason: &'static str,
    /// The extensions, in lower case.
    pub extensions: &'static [&'static str],
}

/// Class identifiers of Windows as an extension, as in `picture.{3050F4D8-98B5-11CF-BB82-00AA00BDCE0B}`.
pub const CLASS_ID: &str = "{...}";

/// What nearly every mail server refuses.
pub const MINIMAL: &[Group] = &[Group {
    reason: "programs and scripts that a double click on Windows runs, refused nearly everywhere",
    extensions: &["exe", "vbs", "pif", "scr", "js", "bat", "cmd", "com", "lnk"],
}];

/// The default: what a double click runs, mounts or imports, and what almost nobody mails in good faith.
pub const STANDARD: &[Group] = &[
    Group {
        reason: "programs and parts of programs for Windows",
        extensions: &["exe", "com", "scr", "pif", "cpl", "dll", "sys", "vxd", "ocx", "drv", "xll"],
    },
    Group {
        reason: "scripts that Windows runs at a double click",
        extensions: &[
            "bat", "cmd", "vb", "vbe", "vbs", "js", "jse", "mjs", "ws", "wsf", "wsh", "wsc", "sct", "hta",
            "ps1", "psm1", "msh", "bas",
        ],
    },
    Group {
        reason: "shortcuts that name a program, a script or a server",
        extensions: &[
            "lnk",
            "scf",
            "url",
            "website",
            "shb",
            "shs",
            "appref-ms",
            "settingcontent-ms",
            "library-ms",
            "search-ms",
            "searchconnector-ms",
        ],
    },
    Group {
        reason: "packages that install programs",
        extensions: &[
            "msi",
            "msp",
            "mst",
            "msc",
            "msix",
            "msixbundle",
            "appx",
            "appxbundle",
            "appinstaller",
            "application",
            "gadget",
            "jar",
            "jnlp",
        ],
    },
    Group {
        reason: "settings and help files that carry commands",
        extensions: &["diagcab", "reg", "inf", "ins", "isp", "chm", "hlp"],
    },
    Group { reason: "databases and projects that run code when opened", extensions: &["ade", "adp", "mde"] },
    Group {
        reason: "disk images: Windows mounts them, and what is in them loses its mark of the web",
        extensions: &["iso", "img", "vhd", "vhdx"],
    },
    Group { reason: "class identifiers, which older Windows hid and obeyed", extensions: &[CLASS_ID] },
];

/// What is only marked by default: today's ways in, but sent in good faith every day.
pub const MARKED: &[Group] = &[
    Group {
        reason: "documents with macros",
        extensions: &[
            "docm", "dotm", "xlsm", "xltm", "xlsb", "xlam", "xla", "pptm", "potm", "ppsm", "ppam", "ppa",
            "sldm",
        ],
    },
    Group {
        reason: "pages and notebooks that unpack what they hide",
        extensions: &["one", "onepkg", "htm", "html", "shtml", "xht", "xhtml", "svg", "mht", "mhtml"],
    },
    Group {
        reason: "queries and connections that fetch from elsewhere",
        extensions: &["iqy", "slk", "dqy", "oqy", "rqy", "rdp", "udl"],
    },
    Group {
        reason: "archives that few programs look into",
        extensions: &["ace", "arj", "cab", "lzh", "lha", "wim", "z", "xz", "ex_"],
    },
    Group {
        reason: "databases",
        extensions: &["mdb", "mda", "mdt", "mdw", "mdz", "accde", "pst", "fxp", "prg", "pcd"],
    },
    Group {
        reason: "scripts and packages of other systems",
        extensions: &[
            "py", "pyw", "pyz", "pyzw", "pl", "sh", "ksh", "csh", "apk", "dmg", "deb", "rpm", "app", "lib",
            "nsh",
        ],
    },
    Group {
        reason: "settings of rare programs",
        extensions: &[
            "ops",
            "prf",
            "plg",
            "theme",
            "asx",
            "wsb",
            "grp",
            "printerexport",
            "webpnp",
            "ps1xml",
            "psc1",
            "psd1",
            "msh1",
            "msh2",
            "mshxml",
            "xbap",
            "xnk",
            "vsmacros",
        ],
    },
];

/// All extensions of a list.
pub fn extensions(groups: &[Group]) -> impl Iterator<Item = &'static str> + Clone {
    groups.iter().flat_map(|group| group.extensions.iter().copied()).collect::<Vec<_>>().into_iter()
}

#[cfg(test)]
mod tests {
    use super::{MARKED, MINIMAL, STANDARD, extensions};
    use std::collections::BTreeSet;

    #[test]
    fn the_lists_hold_what_the_survey_recommends_and_nothing_twice() {
        for (groups, count) in [(MINIMAL, 9), (STANDARD, 68), (MARKED, 82)] {
            let unique: BTreeSet<_> = extensions(groups).collect();
            assert_eq!((extensions(groups).count(), unique.len()), (count, count));
        }
        let standard: BTreeSet<_> = extensions(STANDARD).collect();
        assert!(extensions(MINIMAL).all(|extension| standard.contains(extension)));
        assert!(extensions(MARKED).all(|extension| !standard.contains(extension)));
    }
}
