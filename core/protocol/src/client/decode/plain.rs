//! A publish's line in the form that clients write, found in one pass: words with one space between them, then CRLF.

const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
const HIGHS: u64 = ONES << 7;

/// Where the words of a plain line are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PlainLine {
    /// The spaces between the words.
    spaces: [usize; 3],
    /// How many there are.
    count: usize,
    /// Where the carriage return stands.
    end: usize,
}

impl PlainLine {
    /// Finds the line at the front of `rest`. `None` if it is not plain, or not whole: the caller looks closer then.
    #[inline]
    pub(super) fn find(rest: &[u8]) -> Option<Self> {
        let mut line = Self { spaces: [0; 3], count: 0, end: 0 };
        let (chunks, tail) = rest.as_chunks::<8>();
        for (number, chunk) in chunks.iter().enumerate() {
            if line.take(rest, number * 8, blanks(*chunk))? {
                return Some(line);
            }
        }
        let mut last = [b'.'; 8];
        last.get_mut(..tail.len())?.copy_from_slice(tail);
        line.take(rest, chunks.len() * 8, blanks(last))?.then_some(line)
    }

    /// Takes the white space of one chunk; true at the end of the line.
    #[inline(always)]
    fn take(&mut self, rest: &[u8], at: usize, mut blanks: u64) -> Option<bool> {
        while blanks != 0 {
            let place = at + (blanks.trailing_zeros() / 8) as usize;
            blanks &= blanks - 1;
            match *rest.get(place)? {
                b' ' => {
                    let begin = self.count.checked_sub(1).map_or(0, |last| self.spaces[last] + 1);
                    if place == begin {
                        return None;
                    }
                    *self.spaces.get_mut(self.count)? = place;
                    self.count += 1;
                }
                b'\r' => {
                    self.end = place;
                    let last = self.count.checked_sub(1)?;
                    return (rest.get(place + 1) == Some(&b'\n') && self.spaces[last] + 1 < place).then_some(true);
                }
                // Only the first blank of a chunk is sure: the one behind it may be a borrow.
                byte if byte > b' ' => {}
                _ => return None,
            }
        }
        Some(false)
    }

    /// The length of the line, without CRLF.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.end
    }

    /// Where the second word begins.
    #[inline]
    pub(super) fn tail_at(&self) -> usize {
        self.spaces[0] + 1
    }

    /// Subject, reply, header size and size; `None` if there are too few or too many words.
    #[inline]
    pub(super) fn words<'a>(&self, rest: &'a [u8], has_headers: bool) -> Option<[&'a [u8]; 4]> {
        let [first, second, third] = self.spaces;
        let word = |from: usize, to: usize| rest.get(from..to);
        let subject = word(0, first)?;
        Some(match (has_headers, self.count) {
            (false, 1) => [subject, b"", b"", word(first + 1, self.end)?],
            (false, 2) => [subject, word(first + 1, second)?, b"", word(second + 1, self.end)?],
            (true, 2) => [subject, b"", word(first + 1, second)?, word(second + 1, self.end)?],
            (true, 3) => [subject, word(first + 1, second)?, word(second + 1, third)?, word(third + 1, self.end)?],
            _ => return None,
        })
    }
}

/// The high bit of each byte that is a blank or a control character, from the lowest on. A byte behind such a one may
/// be marked wrongly if it is `!`.
#[inline(always)]
fn blanks(chunk: [u8; 8]) -> u64 {
    let word = u64::from_le_bytes(chunk);
    word.wrapping_sub(ONES * 0x21) & !word & HIGHS
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(line: &str, has_headers: bool) -> Option<Vec<String>> {
        let found = PlainLine::find(line.as_bytes())?;
        let words = found.words(line.as_bytes(), has_headers)?;
        Some(words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect())
    }

    #[test]
    fn the_words_of_a_plain_line_are_found_and_no_others() {
        assert_eq!(words("a 0\r\n\r\n", false), Some(vec!["a".into(), "".into(), "".into(), "0".into()]));
        assert_eq!(
            words("a.b._INBOX !!!! 12 14\r\nxxxxxxxxxxxxx", true).expect("plain"),
            ["a.b._INBOX", "!!!!", "12", "14"]
        );
        for odd in
            ["a  2\r\n", " a 2\r\n", "a 2 \r\n", "a\t2\r\n", "a 2\n", "a 2\r", "a\r\n", "a b c d e\r\n", "a \r\n"]
        {
            assert_eq!(PlainLine::find(odd.as_bytes()), None, "{odd:?}");
        }
    }

    proptest! {
        #[test]
        fn it_finds_what_splitting_finds(line in "[ !a-é\t\r\n]{0,24}(\r\n)?") {
            let Some(found) = PlainLine::find(line.as_bytes()) else { return Ok(()) };
            let text = &line.as_bytes()[..found.len()];
            prop_assert!(!text.iter().any(|byte| matches!(byte, b'\t' | b'\r' | b'\n')));
            let split: Vec<&[u8]> = text.split(|byte| *byte == b' ').collect();
            prop_assert_eq!(split.len(), found.count + 1);
            prop_assert!(split.iter().all(|word| !word.is_empty()));
            prop_assert_eq!(&line.as_bytes()[found.len()..found.len() + 2], b"\r\n");
        }

        #[test]
        fn a_plain_line_is_always_found(words in prop::collection::vec("[!-~é]{1,12}", 2..5), more in "[ -~]{0,9}") {
            let line = format!("{}\r\n{more}", words.join(" "));
            let found = PlainLine::find(line.as_bytes()).expect("plain");
            prop_assert_eq!(found.count, words.len() - 1);
            prop_assert_eq!(found.tail_at(), words[0].len() + 1);
        }
    }
}
