//! Seeded mutations of samples: bits, numbers, cuts, repeats, and words of other samples.
//!
//! The same seed and samples give the same inputs. No coverage feedback: that is libFuzzer's.

/// Largest input made, bytes.
pub const INPUT_BYTES_MAX: usize = 64 * 1024;
/// Words kept from the samples.
const WORDS_MAX: usize = 4096;
/// What often breaks parsers.
const AWKWARD: &[&[u8]] = &[
    b"\0",
    b"\n",
    b"\r\n",
    b"\xff",
    b"\xc3",
    b"\xef\xbf\xbd",
    b"\"",
    b"\\u0000",
    b"\\ud800",
    b"{",
    b"[",
    b"}",
    b"]",
    b":",
    b",",
    b" ",
    b"\t",
    b"%",
    b"-1",
    b"0",
    b"1e400",
    b"1e-400",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"18446744073709551616",
    b"4294967296",
    b"0001-01-01T00:00:00Z",
    b"9999-12-31T23:59:60Z",
    b"Feb 29 24:61:61",
    b"::ffff:10.0.0.1",
    b"fe80::1%eth0",
    b"0177.0.0.1",
    b"0.0.0.0/0",
    b"255.255.255.255",
    b"null",
    b"&a [*a]",
    b"'",
    b"# ",
    b"- ",
    b"&& ",
    b"((((((((",
    b"!",
];

/// A small generator (xorshift64*): good enough to pick places, the same everywhere.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator; seed 0 is taken as 1.
    pub fn new(seed: u64) -> Self {
        Self(seed.max(1))
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`; 0 for bound 0.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX);
        (self.number() >> 11)
            .checked_rem(bound)
            .map_or(0, |place| place as usize)
    }
}

/// Samples and the words found in them.
#[derive(Clone, Debug)]
pub struct Samples {
    files: Vec<Vec<u8>>,
    words: Vec<Vec<u8>>,
}

impl Samples {
    /// Takes the samples; an empty one is always among them.
    pub fn new(mut files: Vec<Vec<u8>>) -> Self {
        files.push(Vec::new());
        let mut words: Vec<Vec<u8>> = AWKWARD.iter().map(|word| word.to_vec()).collect();
        for file in &files {
            let split = file.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
            words.extend(split.filter(|word| word.len() > 1).map(<[u8]>::to_vec));
        }
        words.sort();
        words.dedup();
        words.truncate(WORDS_MAX);
        Self { files, words }
    }

    /// The samples as they are.
    pub fn files(&self) -> &[Vec<u8>] {
        &self.files
    }

    /// One mutated input.
    pub fn mutated(&self, random: &mut Random) -> Vec<u8> {
        let mut input = self.files[random.below(self.files.len())].clone();
        if random.below(4) == 0 {
            // A few of its lines only: more of them are mutated per second.
            let lines: Vec<&[u8]> = input.split_inclusive(|byte| *byte == b'\n').collect();
            let first = random.below(lines.len());
            let some = lines.iter().skip(first).take(1 + random.below(3));
            input = some.flat_map(|line| line.iter().copied()).collect();
        }
        for _ in 0..=random.below(6) {
            self.change(&mut input, random);
        }
        input.truncate(INPUT_BYTES_MAX);
        input
    }

    fn change(&self, input: &mut Vec<u8>, random: &mut Random) {
        let at = random.below(input.len() + 1);
        let end = (at + 1 + random.below(32)).min(input.len());
        match random.below(10) {
            0 | 1 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            2 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte = random.number() as u8;
                }
            }
            3 => drop(input.drain(at.min(end)..end)),
            4 => {
                let part = input[at.min(end)..end].repeat(1 + random.below(40));
                splice(input, at..at, &part);
            }
            5 => input.truncate(at),
            6 => self.number(input, at, random),
            7 => {
                let other = &self.files[random.below(self.files.len())];
                let from = random.below(other.len() + 1);
                let upto = (from + 1 + random.below(200)).min(other.len());
                splice(input, at..at, &other[from.min(upto)..upto]);
            }
            8 => splice(
                input,
                at.min(end)..end,
                &self.words[random.below(self.words.len())],
            ),
            _ => splice(input, at..at, &self.words[random.below(self.words.len())]),
        }
    }

    /// Writes a binary or decimal extreme over what is there.
    fn number(&self, input: &mut Vec<u8>, at: usize, random: &mut Random) {
        let extremes = [
            0,
            1,
            0x7f,
            0x80,
            0xff,
            0x7fff,
            0xffff,
            0x7fff_ffff,
            0xffff_ffff,
            u64::MAX,
        ];
        let value = extremes[random.below(extremes.len())];
        if random.below(2) == 0 {
            let digits = input[at..]
                .iter()
                .take_while(|byte| byte.is_ascii_digit())
                .count();
            splice(input, at..at + digits, value.to_string().as_bytes());
            return;
        }
        let width = [1, 2, 4, 8][random.below(4)].min(input.len() - at);
        let little = value.to_le_bytes();
        let big = value.to_be_bytes();
        let bytes = if random.below(2) == 0 {
            &little[..width]
        } else {
            &big[8 - width..]
        };
        splice(input, at..at + width, bytes);
    }
}

fn splice(input: &mut Vec<u8>, range: std::ops::Range<usize>, with: &[u8]) {
    input.splice(range, with.iter().copied());
}
