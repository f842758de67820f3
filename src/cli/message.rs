//! A message in a file, taken apart as an MTA does before a milter sees it.

/// Gives each field of the message's own header to `field`, as Postfix tells a milter of it: the name without blanks
/// behind it, the raw value with its folds. What is left is the body.
pub fn headers(message: &[u8], mut field: impl FnMut(&[u8], &[u8])) -> &[u8] {
    let mut rest = message;
    let mut open: Option<(&[u8], Vec<u8>)> = None;
    loop {
        let end = memchr::memchr(b'\n', rest);
        let (line, behind) = match end {
            Some(end) => (&rest[..end], &rest[end + 1..]),
            None => (rest, &rest[rest.len()..]),
        };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Some((_, value)) = open.as_mut().filter(|_| line.starts_with(b" ") || line.starts_with(b"\t"))
        {
            value.push(b'\n');
            value.extend_from_slice(line);
        } else {
            if let Some((name, value)) = open.take() {
                field(name, &value);
            }
            match split(line) {
                Some((name, value)) => open = Some((name, value.to_vec())),
                // The line that ends the header is part of the body, unless it is empty.
                None => return if line.is_empty() { behind } else { rest },
            }
        }
        rest = behind;
        if rest.is_empty() {
            if let Some((name, value)) = open.take() {
                field(name, &value);
            }
            return rest;
        }
    }
}

/// Name and value of a line that begins a field.
fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr::memchr(b':', line)?;
    let name = line[..colon].trim_ascii_end();
    let is_name = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    is_name.then_some((name, &line[colon + 1..]))
}
