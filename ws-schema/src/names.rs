//! Names for other languages.

/// `my-chat` as `MyChat`.
pub(crate) fn pascal(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut pascal = String::new();
    for word in words {
        let (first, rest) = word.split_at(1);
        pascal.push_str(&first.to_ascii_uppercase());
        pascal.push_str(rest);
    }
    // A name cannot begin with a digit.
    if is_identifier(&pascal) { pascal } else { format!("P{pascal}") }
}

/// `my-chat` as `myChat`.
pub(crate) fn camel(name: &str) -> String {
    let pascal = pascal(name);
    let (first, rest) = pascal.split_at(1);
    format!("{}{rest}", first.to_ascii_lowercase())
}

/// Whether it is a name in most languages: letters, digits and `_`, and no digit first.
pub(crate) fn is_identifier(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars().all(plain) && name.chars().next().is_some_and(|first| !first.is_ascii_digit())
}

/// The documentation of an entry: its text, and the texts of its words.
pub(crate) fn texts(schema: &serde_json::Value) -> Vec<String> {
    let mut lines: Vec<String> = vec![];
    if let Some(text) = schema.get("description").and_then(serde_json::Value::as_str) {
        lines.extend(text.lines().map(|line| line.trim_end().to_owned()));
    }
    let words = schema.get("x-enum-descriptions").and_then(serde_json::Value::as_object);
    for (word, text) in words.into_iter().flatten() {
        let text = text.as_str().unwrap_or_default().replace('\n', " ");
        if lines.last().is_some_and(|line| !line.is_empty() && !line.starts_with("- ")) {
            lines.push(String::new());
        }
        lines.push(format!("- `{word}`: {text}"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_protocols_become_names_of_types() {
        for (name, type_name, value_name) in
            [("chat", "Chat", "chat"), ("my-chat.v2", "MyChatV2", "myChatV2"), ("2d", "P2d", "p2d")]
        {
            assert_eq!((pascal(name).as_str(), camel(name).as_str()), (type_name, value_name));
        }
        assert!(!is_identifier("") && !is_identifier("a-b") && is_identifier("_a1"));
    }
}
