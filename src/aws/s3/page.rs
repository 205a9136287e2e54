//! What S3 answers in XML: a page of keys, or an error.

use roxmltree::{Document, Node, ParsingOptions};

use super::error::S3Error;
use crate::aws::sigv4::decode;
use crate::config::limits;

/// Part of a list of keys.
#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    /// In S3's order.
    pub keys: Vec<String>,
    /// Where the next page begins; there exactly when this one is not the last.
    pub next: Option<String>,
}

impl Page {
    /// Reads the answer to `ListObjectsV2`. Public for fuzz/, as the next one.
    #[doc(hidden)]
    pub fn parse(bytes: &[u8]) -> Result<Self, S3Error> {
        let bad = S3Error::Malformed;
        let text = str::from_utf8(bytes).map_err(|_| bad("a list that is not UTF-8"))?;
        let document = parse(text).ok_or(S3Error::NoXml)?;
        let root = document.root_element();
        if root.tag_name().name() != "ListBucketResult" {
            return Err(bad("not a list"));
        }
        let escaped = child(root, "EncodingType") == Some("url");
        let mut keys = Vec::new();
        for entry in root.children().filter(|node| node.tag_name().name() == "Contents") {
            let key = child(entry, "Key").ok_or(bad("an entry without a key"))?;
            keys.push(if escaped { unescape(key).ok_or(bad("a key that is not UTF-8"))? } else { key.to_owned() });
        }
        let next = match (child(root, "IsTruncated"), child(root, "NextContinuationToken")) {
            (Some("false"), _) => None,
            (Some("true"), Some(token)) => Some(token.to_owned()),
            _ => return Err(bad("a list that does not say how it goes on")),
        };
        Ok(Self { keys, next })
    }

    /// The same keys without `prefix`, which every one of them must have.
    #[doc(hidden)]
    pub fn below(self, prefix: &str) -> Result<Self, S3Error> {
        let outside = S3Error::Malformed("a key outside storage.s3.prefix");
        let keys: Option<Vec<_>> = self.keys.iter().map(|key| key.strip_prefix(prefix).map(str::to_owned)).collect();
        Ok(Self { keys: keys.ok_or(outside)?, ..self })
    }
}

/// The code of an error; `None` when the answer is none that S3 would give.
pub fn code(bytes: &[u8]) -> Option<String> {
    let document = parse(str::from_utf8(bytes).ok()?)?;
    let code = child(document.root_element(), "Code")?;
    ((1..=64).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric())).then(|| code.to_owned())
}

/// Without a document type, and so without entities to expand; with few attributes, because the parser compares each
/// with all others of its element, and copies each namespace to all elements within: a page of them is minutes of work.
fn parse(text: &str) -> Option<Document<'_>> {
    if attributes(text) > limits::S3_ATTRIBUTES {
        return None;
    }
    let options = ParsingOptions { allow_dtd: false, nodes_limit: limits::S3_NODES, ..ParsingOptions::default() };
    Document::parse_with_options(text.trim_start_matches('\u{feff}'), options).ok()
}

/// How many attributes there are, up to the first place where this is no XML, which the parser finds as well.
fn attributes(text: &str) -> usize {
    let mut count = 0;
    let mut rest = text;
    while let Some((_, markup)) = rest.split_once('<') {
        let opaque = [("!--", "-->"), ("![CDATA[", "]]>"), ("?", "?>")];
        let end = opaque.into_iter().find_map(|(start, end)| Some((markup.strip_prefix(start)?, end)));
        rest = match end {
            Some((within, end)) => within.split_once(end).map_or("", |(_, behind)| behind),
            None => {
                let mut quote = None;
                // A value may hold `>` and `=`.
                let end = markup.find(|c| match quote {
                    Some(open) => {
                        quote = quote.filter(|_| c != open);
                        false
                    }
                    None => {
                        quote = matches!(c, '"' | '\'').then_some(c);
                        count += usize::from(c == '=');
                        c == '>'
                    }
                });
                end.map_or("", |end| &markup[end..])
            }
        };
    }
    count
}

/// The text of the child with this name; an empty one's is empty.
fn child<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    let child = node.children().find(|child| child.tag_name().name() == name)?;
    Some(child.text().unwrap_or_default())
}

/// S3 escapes a blank as `+`, and a plus sign as `%2B`.
fn unescape(key: &str) -> Option<String> {
    String::from_utf8(decode(&key.replace('+', " "))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(inner: &str) -> Result<Page, S3Error> {
        let head = r#"<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">"#;
        Page::parse(format!("{head}{inner}</ListBucketResult>").as_bytes())
    }

    #[test]
    fn keys_are_unescaped_when_they_were_escaped() {
        let inner = "<IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;b</NextContinuationToken>\
                     <Contents><Key>p/a+b%2Bc/%C3%BC?#%25</Key><Size>1</Size></Contents><Contents><Key>p/</Key></Contents>";
        let escaped = list(&format!("<EncodingType>url</EncodingType>{inner}")).unwrap();
        assert_eq!(escaped.keys, ["p/a b+c/ü?#%", "p/"]);
        assert_eq!(escaped.next.as_deref(), Some("a&b"));
        assert_eq!(escaped.below("p/").unwrap().keys, ["a b+c/ü?#%", ""]);
        assert_eq!(list(inner).unwrap().keys[0], "p/a+b%2Bc/%C3%BC?#%25");
    }

    #[test]
    fn keys_outside_the_prefix_are_not_told_of() {
        let page = list("<IsTruncated>false</IsTruncated><Contents><Key>other/a</Key></Contents>").unwrap();
        assert!(page.below("p/").is_err());
    }

    #[test]
    fn lists_that_are_none_are_refused() {
        assert!(list("").is_err());
        assert!(list("<IsTruncated>true</IsTruncated>").is_err());
        assert!(list("<IsTruncated>false</IsTruncated><Contents></Contents>").is_err());
        let not_utf8 =
            "<EncodingType>url</EncodingType><IsTruncated>false</IsTruncated><Contents><Key>%ff</Key></Contents>";
        assert!(list(not_utf8).is_err());
        assert!(Page::parse(b"<html/>").is_err());
        assert!(Page::parse(b"\xff").is_err());
        assert!(Page::parse(br#"<!DOCTYPE x [<!ENTITY a "b">]><ListBucketResult>&a;</ListBucketResult>"#).is_err());
        assert!(Page::parse("<a>".repeat(100_000).as_bytes()).is_err());
    }

    #[test]
    fn a_list_of_attributes_that_would_take_minutes_to_read_is_refused() {
        let many = |number: usize, one: &dyn Fn(usize) -> String| (0..number).map(one).collect::<String>();
        let most = limits::S3_ATTRIBUTES;
        let good = "<IsTruncated>false</IsTruncated>";
        let attributes = many(most + 1, &|n| format!(" a{n}='='"));
        let namespaces = many(most + 1, &|n| format!("<a xmlns:n{n}='{n}'>")) + &"</a>".repeat(most + 1);
        // What could hide them from a careless look: the end of a tag in a value, quotes where they open nothing.
        let hidden = [
            format!("<b{attributes}/>"),
            format!("<b x='>\"'{attributes}/>"),
            format!("<b\n x = \">'\" {attributes}/>"),
            format!("<!-- ' <b x=\" --><b{attributes}/>"),
            format!("<![CDATA[ ' <b x=\"> ]]><b{attributes}/>"),
            format!("<?x ' <b x=\"?><b{attributes}/>"),
            format!("it's = \" <b{attributes}/>"),
            namespaces,
        ];
        for bad in hidden {
            assert!(matches!(list(&format!("{good}{bad}")), Err(S3Error::NoXml)), "{}", &bad[..60]);
        }
        // A store that writes its namespace on every key, and keys of nothing but what attributes are told by.
        let keys = many(1000, &|_| format!("<Contents xmlns='x'><Key>{}</Key></Contents>", "='\"".repeat(99)));
        assert_eq!(list(&format!("{good}{keys}")).unwrap().keys.len(), 1000);
        // The list has one itself.
        assert!(list(&format!("{good}<b{}/>", many(most - 1, &|n| format!(" a{n}='='")))).is_ok());
    }

    #[test]
    fn only_a_plain_word_is_taken_for_an_error_code() {
        assert_eq!(code(b"<Error><Code>NoSuchKey</Code><Message>x</Message></Error>").as_deref(), Some("NoSuchKey"));
        assert_eq!(code(b"<Error><Code>a b</Code></Error>"), None);
        assert_eq!(code(b"<html>down</html>"), None);
        assert_eq!(code(b""), None);
    }
}
