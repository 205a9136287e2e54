//! Every single change that can be made to a JSON value.

use serde_json::{Value, json};

/// One change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// The last digit, character or number is another.
    Last,
    /// The first hexadecimal digit after `0x`, where that is not the last.
    First,
    /// One digit less, or a byte of them.
    Shorter,
    /// One digit more.
    Longer,
    /// A bool is its opposite.
    Negated,
    Null,
    /// A null is something.
    NotNull,
    Removed,
    Dropped(usize),
    Doubled(usize),
    /// With the element after it.
    Swapped(usize),
    Appended,
}

impl Change {
    fn name(self) -> String {
        match self {
            Self::Last => "last digit changed".into(),
            Self::First => "first digit changed".into(),
            Self::Shorter => "shortened".into(),
            Self::Longer => "lengthened".into(),
            Self::Negated => "negated".into(),
            Self::Null => "null".into(),
            Self::NotNull => "not null".into(),
            Self::Removed => "removed".into(),
            Self::Dropped(index) => format!("[{index}] dropped"),
            Self::Doubled(index) => format!("[{index}] doubled"),
            Self::Swapped(index) => format!("[{index}] and the next swapped"),
            Self::Appended => "one appended".into(),
        }
    }
}

/// Where a value is: each step as JSON pointers have it.
type Path = Vec<String>;

/// Every lie about `value`, each with a name such as `result.storageProof[0].value: last digit changed`. No lie equals the
/// value, and changes of a value in an object or array of any depth are among them.
pub fn lies(root: &str, value: &Value) -> impl Iterator<Item = (String, Value)> {
    let mut changes = Vec::new();
    collect(value, &mut Vec::new(), &mut changes);
    changes.into_iter().filter_map(move |(path, change)| {
        let name = format!("{root}{}: {}", shown(&path), change.name());
        let mut lie = value.clone();
        apply(&mut lie, &path, change);
        (lie != *value).then_some((name, lie))
    })
}

fn shown(path: &Path) -> String {
    let step = |step: &String| match step.parse::<usize>() {
        Ok(index) => format!("[{index}]"),
        Err(_) => format!(".{step}"),
    };
    path.iter().map(step).collect()
}

fn collect(value: &Value, path: &mut Path, changes: &mut Vec<(Path, Change)>) {
    let mut add = |change| changes.push((path.clone(), change));
    match value {
        Value::Null => add(Change::NotNull),
        Value::Bool(_) => [Change::Negated, Change::Null].into_iter().for_each(add),
        Value::Number(_) => [Change::Last, Change::Null].into_iter().for_each(add),
        Value::String(_) => {
            [Change::Last, Change::First, Change::Shorter, Change::Longer, Change::Null].into_iter().for_each(add);
        }
        Value::Array(elements) => {
            add(Change::Null);
            add(Change::Appended);
            for index in 0..elements.len() {
                add(Change::Dropped(index));
                add(Change::Doubled(index));
                if index + 1 < elements.len() {
                    add(Change::Swapped(index));
                }
            }
            for (index, element) in elements.iter().enumerate() {
                inside(&index.to_string(), element, path, changes);
            }
        }
        Value::Object(fields) => {
            add(Change::Null);
            for (key, field) in fields {
                changes.push(([&path[..], std::slice::from_ref(key)].concat(), Change::Removed));
                inside(key, field, path, changes);
            }
        }
    }
}

fn inside(step: &str, value: &Value, path: &mut Path, changes: &mut Vec<(Path, Change)>) {
    path.push(step.into());
    collect(value, path, changes);
    path.pop();
}

/// The value at a path.
fn find<'a>(value: &'a mut Value, path: &[String]) -> &'a mut Value {
    path.iter().fold(value, |value, step| match value {
        Value::Array(elements) => &mut elements[step.parse::<usize>().unwrap()],
        other => &mut other[step.as_str()],
    })
}

fn apply(root: &mut Value, path: &[String], change: Change) {
    if change == Change::Removed {
        let (key, parent) = path.split_last().unwrap();
        find(root, parent).as_object_mut().unwrap().remove(key);
        return;
    }
    let value = find(root, path);
    match (change, &mut *value) {
        (Change::Null, _) => *value = Value::Null,
        (Change::NotNull, _) => *value = json!("0x1"),
        (Change::Negated, Value::Bool(bool)) => *bool = !*bool,
        (Change::Last, Value::Number(number)) => *value = json!(number.as_u64().unwrap_or_default() + 1),
        (_, Value::String(text)) => *text = altered(text, change),
        (Change::Appended, Value::Array(elements)) => {
            let extra = elements.last().map_or_else(|| json!("0x00"), other);
            elements.push(extra);
        }
        (Change::Dropped(index), Value::Array(elements)) => drop(elements.remove(index)),
        (Change::Doubled(index), Value::Array(elements)) => elements.insert(index, elements[index].clone()),
        (Change::Swapped(index), Value::Array(elements)) => elements.swap(index, index + 1),
        (change, value) => panic!("{change:?} of {value}"),
    }
}

/// Another element of the same kind: every string in it has another end.
fn other(value: &Value) -> Value {
    match value {
        Value::String(text) => json!(altered(text, Change::Last)),
        Value::Array(elements) => elements.iter().map(other).collect(),
        Value::Object(fields) => fields.iter().map(|(key, field)| (key.clone(), other(field))).collect(),
        other => other.clone(),
    }
}

fn altered(text: &str, change: Change) -> String {
    let (start, digits) = match text.strip_prefix("0x") {
        Some(digits) => ("0x", digits),
        None => ("", text),
    };
    let mut characters: Vec<char> = digits.chars().collect();
    match change {
        Change::Last => match characters.last_mut() {
            Some(last) => *last = flipped(*last),
            None => characters.push('1'),
        },
        // A number must not begin with zero, so that it is the value and not the form that is wrong.
        Change::First if characters.len() > 1 => {
            characters[0] = if characters[0] == '1' { '2' } else { '1' };
        }
        Change::Shorter if characters.len() > 3 && characters.len().is_multiple_of(2) => {
            characters.truncate(characters.len() - 2);
        }
        Change::Shorter => drop(characters.pop()),
        Change::Longer if characters.len() > 3 && characters.len().is_multiple_of(2) => characters.extend(['0', '0']),
        Change::Longer => characters.push('0'),
        _ => {}
    }
    format!("{start}{}", characters.into_iter().collect::<String>())
}

fn flipped(digit: char) -> char {
    match digit.to_digit(16) {
        Some(number) => char::from_digit(number ^ 1, 16).unwrap(),
        None => '0',
    }
}
