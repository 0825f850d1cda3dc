//! A command line as simple commands: words and redirections, the way a shell would cut it.
//!
//! Judging words and not substrings is what keeps `grep rm /var/log/syslog` silent. Absent on
//! purpose: variables, substitution, globbing and here-documents; a word that holds them stays as
//! it is written.

/// Simple commands taken from one line.
const COMMANDS_MAX: usize = 32;
/// Words taken from one simple command.
const WORDS_MAX: usize = 128;
/// Shells within shells (`sh -c "bash -c …"`) that are opened.
const NESTING_MAX: usize = 4;

/// Programs that run another program; their own options are skipped.
const WRAPPERS: [&str; 8] = [
    "busybox", "command", "doas", "env", "exec", "nice", "nohup", "sudo",
];
const SHELLS: [&str; 6] = ["ash", "bash", "dash", "ksh", "sh", "zsh"];

/// One simple command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Simple {
    /// Program and arguments, unquoted; empty for a bare redirection.
    pub(super) words: Vec<String>,
    /// Files that `>` overwrites.
    pub(super) overwrites: Vec<String>,
}

impl Simple {
    /// The program's name without its folder.
    pub(super) fn program(&self) -> &str {
        self.words.first().map_or("", |word| base(word))
    }

    /// The words after the program.
    pub(super) fn arguments(&self) -> impl Iterator<Item = &str> {
        self.words.iter().skip(1).map(String::as_str)
    }

    /// The arguments that are no options.
    pub(super) fn operands(&self) -> impl Iterator<Item = &str> {
        self.arguments().filter(|word| !word.starts_with('-'))
    }

    /// Is one of `options` among the arguments?
    pub(super) fn has(&self, options: &[&str]) -> bool {
        self.arguments().any(|word| options.contains(&word))
    }
}

/// The last part of a path.
pub(super) fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The simple commands of `line`, those of `sh -c` included.
pub(super) fn parse(line: &str) -> Vec<Simple> {
    let mut found = Vec::new();
    let mut waiting = vec![(line.to_owned(), 0_usize)];
    while let Some((text, depth)) = waiting.pop() {
        for (mut simple, rest) in cut(&text) {
            unwrap_program(&mut simple);
            if found.len() >= COMMANDS_MAX {
                return found;
            }
            if let Some(script) = script_of(&simple, &rest).filter(|_| depth < NESTING_MAX) {
                waiting.push((script, depth + 1));
                continue;
            }
            found.push(simple);
        }
    }
    found
}

/// Takes off `sudo -u root`, `env A=b`, `nohup`, ….
fn unwrap_program(simple: &mut Simple) {
    while WRAPPERS.contains(&simple.program()) && simple.words.len() > 1 {
        simple.words.remove(0);
        while let Some(word) = simple.words.first() {
            let takes_value = matches!(word.as_str(), "-u" | "-g" | "-n");
            if !word.starts_with('-') && !word.contains('=') {
                break;
            }
            simple.words.remove(0);
            if takes_value && !simple.words.is_empty() {
                simple.words.remove(0);
            }
        }
    }
}

/// What `sh -c` is told to run. A log names the words without their quotes, so that all the rest of
/// the line is the script.
fn script_of(simple: &Simple, rest: &str) -> Option<String> {
    if !SHELLS.contains(&simple.program()) {
        return None;
    }
    let at = simple
        .words
        .iter()
        .position(|word| word.starts_with('-') && !word.starts_with("--") && word.ends_with('c'))?;
    let script = simple.words.get(at.checked_add(1)?..)?.join(" ");
    let redirections: String = simple
        .overwrites
        .iter()
        .map(|file| format!(" > {file}"))
        .collect();
    Some(format!("{script}{redirections}{rest}"))
}

/// Cuts at `;`, `&`, `|` and line ends outside quotes. With each command comes what follows it if
/// it is a shell that was given a script (then its separators belong to the script), else nothing.
fn cut(text: &str) -> Vec<(Simple, String)> {
    let mut commands = Vec::new();
    let mut cutter = Cutter::default();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if cutter.take(character) {
            continue;
        }
        let simple = cutter.finish();
        if is_script(&simple) {
            let rest = format!("{character}{}", characters.as_str());
            commands.push((simple, rest));
            return commands;
        }
        push(&mut commands, simple);
        if commands.len() >= COMMANDS_MAX {
            return commands;
        }
    }
    let simple = cutter.finish();
    push(&mut commands, simple);
    commands
}

fn push(commands: &mut Vec<(Simple, String)>, simple: Simple) {
    if simple != Simple::default() {
        commands.push((simple, String::new()));
    }
}

fn is_script(simple: &Simple) -> bool {
    let mut bare = simple.clone();
    unwrap_program(&mut bare);
    script_of(&bare, "").is_some_and(|script| !script.is_empty())
}

/// Builds one simple command, character by character.
#[derive(Default)]
struct Cutter {
    simple: Simple,
    word: String,
    in_word: bool,
    quote: Option<char>,
    escaped: bool,
    target: Target,
}

/// Where the next finished word goes.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Target {
    #[default]
    Words,
    Overwrite,
    Elsewhere,
}

impl Cutter {
    /// False if the character ends the command.
    fn take(&mut self, character: char) -> bool {
        if self.escaped {
            self.escaped = false;
            self.push(character);
            return true;
        }
        match (self.quote, character) {
            (Some(quote), _) if quote == character => self.quote = None,
            (Some('"') | None, '\\') => self.escaped = true,
            (Some(_), _) => self.push(character),
            (None, '\'' | '"') => {
                self.quote = Some(character);
                self.in_word = true;
            }
            (None, '>') => self.redirect(),
            (None, '<') => {
                self.end_word();
                self.target = Target::Elsewhere;
            }
            (None, '&') if self.target == Target::Overwrite && !self.in_word => {
                self.target = Target::Elsewhere; // 2>&1
            }
            (None, ';' | '&' | '|' | '\n') => return false,
            (None, _) if character.is_whitespace() => self.end_word(),
            (None, _) => self.push(character),
        }
        true
    }

    /// `>` overwrites, `>>` appends; a lone digit before it is a descriptor.
    fn redirect(&mut self) {
        if self.target == Target::Overwrite && !self.in_word {
            self.target = Target::Elsewhere;
            return;
        }
        if matches!(self.word.as_str(), "1" | "2") {
            self.word.clear();
            self.in_word = false;
        }
        self.end_word();
        self.target = Target::Overwrite;
    }

    fn push(&mut self, character: char) {
        self.in_word = true;
        self.word.push(character);
    }

    fn end_word(&mut self) {
        if !self.in_word {
            return;
        }
        self.in_word = false;
        let word = std::mem::take(&mut self.word);
        match std::mem::take(&mut self.target) {
            Target::Words if self.simple.words.len() < WORDS_MAX => self.simple.words.push(word),
            Target::Overwrite => self.simple.overwrites.push(word),
            Target::Words | Target::Elsewhere => {}
        }
    }

    fn finish(&mut self) -> Simple {
        self.quote = None;
        self.end_word();
        self.target = Target::Words;
        std::mem::take(&mut self.simple)
    }
}
