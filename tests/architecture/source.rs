//! As much of Rust's grammar as it takes to find what a file refers to: tokens, modules, and paths with the names that
//! `use` gave them. Comments and literals are no code; text inside a macro call is.

use std::collections::HashMap;

/// One path of a file, as written there but for aliases, which are replaced by what they stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) line: usize,
    pub(crate) target: Target,
    /// Compiled for tests only.
    pub(crate) in_test: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// Of this crate, from its root: `crate::a::b` is `[a, b]`.
    Internal(Vec<String>),
    /// Anything else that has at least two parts, or is imported: `[std, net, UdpSocket]`.
    External(Vec<String>),
    /// `name!`
    Macro(String),
    /// `#[path = "..."]`
    File(String),
    /// `unsafe`
    Unsafe,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Word(String),
    Text(String),
    Mark(char),
    /// `::`
    Join,
}

#[derive(Debug, Clone)]
struct Token {
    kind: Kind,
    line: usize,
}

impl Token {
    fn word(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(word) => Some(word),
            Kind::Text(_) | Kind::Mark(_) | Kind::Join => None,
        }
    }
}

/// Everything that `source`, the file of the module `module` (from the crate's root), refers to.
pub(crate) fn references(module: &[String], source: &str, is_test_file: bool) -> Vec<Reference> {
    let mut reader = Reader {
        tokens: lex(source),
        module: module.to_vec(),
        blocks: Vec::new(),
        in_test: is_test_file,
        next_is_test: false,
        aliases: HashMap::new(),
        found: Vec::new(),
    };
    // Aliases may be used before they are made: the first reading collects them, the second resolves.
    reader.read();
    reader.found.clear();
    reader.read();
    reader.found
}

struct Reader {
    tokens: Vec<Token>,
    module: Vec<String>,
    blocks: Vec<Block>,
    in_test: bool,
    next_is_test: bool,
    aliases: HashMap<String, Vec<String>>,
    found: Vec<Reference>,
}

/// What an opening brace changed.
struct Block {
    is_module: bool,
    was_test: bool,
}

impl Reader {
    fn read(&mut self) {
        let mut at = 0;
        while at < self.tokens.len() {
            at = self.read_one(at);
        }
    }

    fn kind(&self, at: usize) -> Option<&Kind> {
        self.tokens.get(at).map(|token| &token.kind)
    }

    fn word(&self, at: usize) -> Option<&str> {
        self.tokens.get(at).and_then(Token::word)
    }

    fn is_mark(&self, at: usize, mark: char) -> bool {
        self.kind(at) == Some(&Kind::Mark(mark))
    }

    fn note(&mut self, at: usize, target: Target) {
        let line = self.tokens.get(at).map_or(0, |token| token.line);
        self.found.push(Reference { line, target, in_test: self.in_test || self.next_is_test });
    }

    /// Reads what begins at `at` and returns where the next thing begins.
    fn read_one(&mut self, at: usize) -> usize {
        match self.kind(at).cloned() {
            Some(Kind::Mark('{')) => self.open(at),
            Some(Kind::Mark('}')) => self.close(),
            Some(Kind::Mark(';')) => self.next_is_test = false,
            Some(Kind::Mark('#')) => self.attribute(at),
            Some(Kind::Word(word)) if word == "unsafe" => self.note(at, Target::Unsafe),
            Some(Kind::Word(word)) if word == "use" => return self.import(at + 1),
            Some(Kind::Word(word)) if word == "extern" && self.word(at + 1) == Some("crate") => {
                return self.import(at + 2);
            }
            Some(Kind::Word(_)) => return self.path(at),
            Some(Kind::Mark(_) | Kind::Text(_) | Kind::Join) | None => {}
        }
        at + 1
    }

    fn open(&mut self, at: usize) {
        let named = |back: usize| at.checked_sub(back).and_then(|before| self.word(before));
        let name = (named(2) == Some("mod")).then(|| named(1).map(str::to_owned)).flatten();
        self.blocks.push(Block { is_module: name.is_some(), was_test: self.in_test });
        self.module.extend(name);
        self.in_test |= std::mem::take(&mut self.next_is_test);
    }

    fn close(&mut self) {
        let Some(block) = self.blocks.pop() else { return };
        self.in_test = block.was_test;
        if block.is_module {
            self.module.pop();
        }
    }

    fn attribute(&mut self, at: usize) {
        let text: Vec<&Kind> = (at + 1..at + 6).map_while(|next| self.kind(next)).collect();
        match text.as_slice() {
            [Kind::Mark('['), Kind::Word(cfg), Kind::Mark('('), Kind::Word(test), Kind::Mark(')')]
                if cfg == "cfg" && test == "test" =>
            {
                self.next_is_test = true;
            }
            [Kind::Mark('['), Kind::Word(path), Kind::Mark('='), Kind::Text(file), _] if path == "path" => {
                let file = file.clone();
                self.note(at, Target::File(file));
            }
            _ => {}
        }
    }

    /// A `use` tree: every leaf is a reference, and a name from then on.
    fn import(&mut self, at: usize) -> usize {
        let mut leaves = Vec::new();
        let start = if self.kind(at) == Some(&Kind::Join) { at + 1 } else { at };
        let end = self.tree(start, &[], &mut leaves);
        for (path, alias) in leaves {
            let target = self.resolve(&path, 0);
            if let (Some(alias), false) = (alias, path.first() == Some(&"self".to_owned()) && path.len() == 1)
            {
                let absolute = match &target {
                    Target::Internal(parts) => {
                        std::iter::once("crate".to_owned()).chain(parts.clone()).collect()
                    }
                    Target::External(parts) => parts.clone(),
                    Target::Macro(_) | Target::File(_) | Target::Unsafe => Vec::new(),
                };
                self.aliases.insert(alias, absolute);
            }
            self.note(at, target);
        }
        end
    }

    fn tree(
        &self,
        mut at: usize,
        prefix: &[String],
        leaves: &mut Vec<(Vec<String>, Option<String>)>,
    ) -> usize {
        let mut path = prefix.to_vec();
        loop {
            match self.kind(at) {
                Some(Kind::Mark('{')) => {
                    at += 1;
                    while at < self.tokens.len() && !self.is_mark(at, '}') {
                        at = self.tree(at, &path, leaves);
                        if self.is_mark(at, ',') {
                            at += 1;
                        }
                    }
                    return at + 1;
                }
                Some(Kind::Mark('*')) => {
                    path.push("*".to_owned());
                    leaves.push((path, None));
                    return at + 1;
                }
                Some(Kind::Word(word)) => path.push(word.clone()),
                // `$crate`, or no tree at all: skipped, so that reading goes on.
                Some(Kind::Mark(_) | Kind::Text(_) | Kind::Join) | None => return at + 1,
            }
            at += 1;
            if self.kind(at) == Some(&Kind::Join) {
                at += 1;
                continue;
            }
            // `a::b::{self}` is `a::b`.
            if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
                path.pop();
            }
            let mut name = path.last().cloned();
            if self.word(at) == Some("as") {
                name = self.word(at + 1).map(str::to_owned);
                at += 2;
            }
            leaves.push((path, name));
            return at;
        }
    }

    /// A path in an expression or a type, or a macro's name.
    fn path(&mut self, at: usize) -> usize {
        let mut path: Vec<String> = self.word(at).map(str::to_owned).into_iter().collect();
        let mut end = at + 1;
        while self.kind(end) == Some(&Kind::Join) {
            let Some(next) = self.word(end + 1) else { break };
            path.push(next.to_owned());
            end += 2;
        }
        if self.is_mark(end, '!') && !self.is_mark(end + 1, '=') {
            self.note(at, Target::Macro(path.join("::")));
        }
        let is_visibility = path == ["crate"] || path == ["self"] || path == ["super"];
        let is_alias = path.first().is_some_and(|first| self.aliases.contains_key(first));
        if (path.len() > 1 || is_alias) && !is_visibility {
            let target = self.resolve(&path, 0);
            self.note(at, target);
        }
        end
    }

    fn resolve(&self, path: &[String], depth: usize) -> Target {
        let mut module = self.module.clone();
        let mut relative = false;
        let mut rest = path;
        while let Some((first, more)) = rest.split_first() {
            match first.as_str() {
                "crate" => module.clear(),
                "self" => {}
                "super" => {
                    module.pop();
                }
                _ => break,
            }
            relative = true;
            rest = more;
        }
        if relative {
            module.extend(rest.iter().cloned());
            return Target::Internal(module);
        }
        let alias = rest.split_first().and_then(|(first, more)| Some((self.aliases.get(first)?, more)));
        match alias {
            // `use fmt;` stands for itself.
            Some((full, more)) if depth < 8 && full.first() != path.first() => {
                let whole: Vec<String> = full.iter().chain(more).cloned().collect();
                self.resolve(&whole, depth + 1)
            }
            _ => Target::External(path.to_vec()),
        }
    }
}

fn lex(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let mut lexer = Lexer { chars: &chars, at: 0, line: 1, tokens: Vec::new() };
    while lexer.at < chars.len() {
        lexer.step();
    }
    lexer.tokens
}

struct Lexer<'a> {
    chars: &'a [char],
    at: usize,
    line: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn advance(&mut self) -> char {
        let next = self.peek(0);
        self.at += 1;
        self.line += usize::from(next == '\n');
        next
    }

    fn push(&mut self, kind: Kind) {
        self.tokens.push(Token { kind, line: self.line });
    }

    fn step(&mut self) {
        match (self.peek(0), self.peek(1)) {
            ('/', '/') => {
                while !matches!(self.peek(0), '\n' | '\0') {
                    self.at += 1;
                }
            }
            ('/', '*') => self.skip_block_comment(),
            ('"', _) => self.text(0, true),
            ('\'', _) => self.quote(),
            (':', ':') => {
                self.at += 2;
                self.push(Kind::Join);
            }
            (next, _) if next.is_alphanumeric() || next == '_' => self.word(),
            (next, _) => {
                self.advance();
                if !next.is_whitespace() {
                    self.push(Kind::Mark(next));
                }
            }
        }
    }

    fn skip_block_comment(&mut self) {
        let mut depth = 0;
        loop {
            match (self.peek(0), self.peek(1)) {
                ('/', '*') => depth += 1,
                ('*', '/') => depth -= 1,
                ('\0', _) => return,
                _ => {
                    self.advance();
                    continue;
                }
            }
            self.at += 2;
            if depth == 0 {
                return;
            }
        }
    }

    /// Letters; `r"`, `b"`, `c"` and their kin begin a literal, `r#` a word as well.
    fn word(&mut self) {
        let start = self.at;
        while self.peek(0).is_alphanumeric() || self.peek(0) == '_' {
            self.at += 1;
        }
        let word: String = self.chars.iter().take(self.at).skip(start).collect();
        let is_prefix = matches!(word.as_str(), "r" | "b" | "c" | "br" | "cr");
        let hashes = (0..).take_while(|ahead| self.peek(*ahead) == '#').count();
        if is_prefix && self.peek(hashes) == '"' && (hashes == 0 || word.ends_with('r')) {
            self.at += hashes;
            return self.text(hashes, !word.ends_with('r'));
        }
        if word == "b" && self.peek(0) == '\'' {
            return self.quote();
        }
        if word == "r" && hashes == 1 {
            self.at += 1;
            return;
        }
        self.push(Kind::Word(word));
    }

    fn text(&mut self, hashes: usize, escapes: bool) {
        self.advance();
        let mut text = String::new();
        while self.at < self.chars.len() {
            let next = self.advance();
            if next == '\\' && escapes {
                self.advance();
            } else if next == '"' && (0..hashes).all(|ahead| self.peek(ahead) == '#') {
                self.at += hashes;
                break;
            } else {
                text.push(next);
            }
        }
        self.push(Kind::Text(text));
    }

    /// A character, or the mark of a lifetime.
    fn quote(&mut self) {
        self.advance();
        if self.peek(0) == '\\' {
            self.at += 2;
            while !matches!(self.peek(0), '\'' | '\0') {
                self.at += 1;
            }
            self.at += 1;
        } else if self.peek(1) == '\'' {
            self.advance();
            self.at += 1;
        } else {
            while self.peek(0).is_alphanumeric() || self.peek(0) == '_' {
                self.at += 1;
            }
        }
    }
}
