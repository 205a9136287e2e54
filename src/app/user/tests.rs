use super::*;

/// An image's root with these two files, removed with it.
struct Image(PathBuf);

impl Image {
    fn new(test: &str, passwd: &[u8], group: &[u8]) -> Self {
        let root = std::env::temp_dir().join(format!("odyn-user-{}-{test}", std::process::id()));
        std::fs::create_dir_all(root.join("etc")).unwrap();
        std::fs::write(root.join("etc/passwd"), passwd).unwrap();
        std::fs::write(root.join("etc/group"), group).unwrap();
        Self(root)
    }

    fn resolve(&self, user: &str) -> Result<Account, UserError> {
        User::parse(user).unwrap().resolve(&self.0)
    }

    /// The error's text, without where the image is.
    fn refused(&self, user: &str) -> String {
        let error = self.resolve(user).unwrap_err().to_string();
        error.replace(self.0.to_str().unwrap(), "")
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/sh\n\
    # a comment\n\
    \n\
    app:x:1000:1001:The Application,,,:/home/app:/sbin/nologin\n\
    app2:x:1002:1002::/:\n\
    nohome:x:7:8:::/bin/sh";
const GROUP: &[u8] = b"root:x:0:\nstaff:x:50:app,app2\napp:x:1001:\n";

#[test]
fn a_name_is_the_numbers_and_the_home_of_its_line() {
    let image = Image::new("names", PASSWD, GROUP);
    for (user, uid, gid, home) in [
        ("app", 1000, 1001, Some("/home/app")),
        ("app:staff", 1000, 50, Some("/home/app")),
        ("app:7", 1000, 7, Some("/home/app")),
        ("app2", 1002, 1002, Some("/")),
        ("nohome", 7, 8, Some("/")),
        ("root", 0, 0, Some("/root")),
        ("1000", 1000, 1000, None),
        ("1000:5", 1000, 5, None),
        ("1000:staff", 1000, 50, None),
        ("0012", 12, 12, None),
    ] {
        let expected = Account { identity: Identity { uid, gid }, home: home.map(OsString::from) };
        assert_eq!(image.resolve(user).unwrap(), expected, "{user}");
    }
}

#[test]
fn what_is_neither_a_number_nor_a_name_is_refused() {
    let colons = ["", ":", "app:", ":app", "app:staff:x"];
    let numbers = ["-1", "+5", "4294967295", "4294967296", "99999999999999999999", "1:4294967295"];
    let names = ["-app", "a b", "a/b", "a\0b", "a\nb", " app", "app ", "app:\t"];
    for text in colons.iter().chain(&numbers).chain(&names) {
        assert_eq!(User::parse(text), None, "{text:?}");
    }
    assert!(User::parse(&"a".repeat(limits::USER_NAME)).is_some());
    assert!(User::parse(&"a".repeat(limits::USER_NAME + 1)).is_none());
    // Digits alone are a number, more than digits a name.
    assert_eq!(User::parse("5a"), Some(User { user: Who::Name("5a".into()), group: None }));
}

#[test]
fn an_unknown_name_is_told_with_the_file_and_what_to_do() {
    let image = Image::new("unknown", PASSWD, GROUP);
    assert_eq!(image.refused("ap"), "--user: no \"ap\" in /etc/passwd: add it to the image, or give a number");
    assert_eq!(image.refused("APP"), "--user: no \"APP\" in /etc/passwd: add it to the image, or give a number");
    assert_eq!(image.refused("app:wheel"), "--user: no \"wheel\" in /etc/group: add it to the image, or give a number");
    // A comment and an empty line are no entries either.
    assert!(matches!(image.resolve("#"), Err(UserError::Unknown(..))));
}

#[test]
fn a_malformed_line_counts_only_when_it_is_asked_for() {
    let lines: [&[u8]; 9] = [
        b"bad",
        b"bad:x",
        b"bad:x:1:2::/",
        b"bad:x:1:2::/:sh:more",
        b"bad:x::2::/:sh",
        b"bad:x:-1:2::/:sh",
        b"bad:x:1:4294967295::/:sh",
        b"bad:x:1:2::relative:sh",
        b"bad:x: 1:2::/:sh",
    ];
    for (number, line) in lines.into_iter().enumerate() {
        let passwd = [&b"a:x:1:1::/:\n"[..], line, b"\nb:x:2:2::/:"].concat();
        let image = Image::new(&format!("malformed{number}"), &passwd, b"");
        let wanted = "/etc/passwd:2: not NAME:PASSWORD:UID:GID:COMMENT:/HOME:SHELL: repair the line, or give --user in \
                      numbers";
        assert_eq!(image.refused("bad"), wanted);
        assert_eq!(image.resolve("b").unwrap().identity, Identity { uid: 2, gid: 2 });
    }
    let image = Image::new("group", PASSWD, b"bad:x:7\n");
    let wanted = "/etc/group:1: not NAME:PASSWORD:GID:MEMBERS: repair the line, or give --user in numbers";
    assert_eq!(image.refused("app:bad"), wanted);
}

#[test]
fn a_name_in_two_lines_is_nobody() {
    let image = Image::new("twice", b"app:x:1:1::/:\nb:x:2:2::/:\napp:x:0:0::/:\n", b"");
    assert_eq!(image.refused("app"), "/etc/passwd:3: \"app\" again, as in line 1: leave one of them");
    assert!(image.resolve("b").is_ok());
}

#[test]
fn a_file_that_is_too_large_no_text_or_not_there_is_told() {
    let image = Image::new("nul", b"app:x:1:1::/:\nx\0\n", b"");
    assert_eq!(image.refused("app"), "/etc/passwd:2: a NUL byte: repair the file, or give --user in numbers");
    let mut large = b"app:x:1:1::/:\n".to_vec();
    large.resize(1 << 20, b'#');
    let image = Image::new("large", &large, b"");
    assert!(image.resolve("app").is_ok());
    large.push(b'#');
    let image = Image::new("larger", &large, b"");
    assert_eq!(image.refused("app"), "/etc/passwd is larger than 1048576 bytes: give --user in numbers");
    std::fs::remove_file(image.0.join("etc/passwd")).unwrap();
    let error = image.refused("app");
    assert!(error.starts_with("--user: cannot look \"app\" up in /etc/passwd: No such file"), "{error}");
    // A folder, or a FIFO that nobody writes to: what is no file is not opened.
    std::fs::create_dir(image.0.join("etc/passwd")).unwrap();
    let error = image.refused("app");
    assert!(error.ends_with("/etc/passwd: not a regular file; give a number instead"), "{error}");
    // Numbers need no file.
    assert!(image.resolve("1:2").is_ok());
}
