//! Mutations of a corpus, the same in each run.

/// Makes mutations, one after another.
pub(crate) struct Mutations<'c> {
    corpus: &'c [Vec<u8>],
    state: u64,
}

impl<'c> Mutations<'c> {
    pub(crate) fn of(corpus: &'c [Vec<u8>]) -> Self {
        Self { corpus, state: 0x9E37_79B9_7F4A_7C15 }
    }

    /// One of the inputs with a few changes.
    pub(crate) fn next(&mut self) -> Vec<u8> {
        let mut input = self.one_of(self.corpus).clone();
        for _ in 0..=self.below(4) {
            self.change(&mut input);
        }
        input
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let (start, end) = self.range(input.len());
        match self.below(6) {
            0 => drop(input.drain(start..end)),
            1 => {
                let copy = input[start..end].to_vec();
                input.splice(end..end, copy);
            }
            2 => {
                let other = self.one_of(self.corpus).clone();
                let (from, to) = self.range(other.len());
                input.splice(start..end, other[from..to].to_vec());
            }
            3 => {
                let word = *self.one_of(WORDS);
                input.splice(start..start, word.bytes());
            }
            4 => {
                let byte = u8::try_from(self.below(256)).unwrap();
                input.splice(start..start, [byte]);
            }
            _ => {
                let bit = self.below(8);
                input.get_mut(start).into_iter().for_each(|byte| *byte ^= 1 << bit);
            }
        }
    }

    fn range(&mut self, length: usize) -> (usize, usize) {
        let start = self.below(length + 1);
        (start, (start + self.below(16)).min(length))
    }

    fn one_of<'t, T>(&mut self, all: &'t [T]) -> &'t T {
        &all[self.below(all.len())]
    }

    /// xorshift64*, which varies enough for this purpose.
    fn below(&mut self, limit: usize) -> usize {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        let random = self.state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(random).unwrap() % limit
    }
}

/// Text with a meaning for some parser.
const WORDS: &[&str] = &[
    "/",
    "//",
    "/.",
    "/../",
    "%2e",
    "%2F",
    "%25",
    "%5C",
    "%3b",
    "%00",
    "%C3%A9",
    "%EF%BC%8F",
    "%+1",
    ";",
    "\\",
    "?",
    "#",
    "&",
    "=",
    ",",
    " ",
    "\t",
    "\n",
    "\r",
    "{",
    "}",
    "*",
    "**",
    "${",
    "\"",
    "[",
    "]",
    ":",
    "@",
    "+",
    "-",
    ".",
    "$",
    "\u{FF0F}",
    "\u{85}",
    "\u{2028}",
    "\u{0}",
    "\u{1b}[31m",
    "null",
    "true",
    "1e9",
    "-1",
    "18446744073709551615",
    "access_token=",
    "Bearer ",
    "token=",
    "cookie: ",
    "x-api-key: ",
    "authorization: ",
    "x-tokenward-token: ",
];
