// SPDX-License-Identifier: Apache-2.0
package import StableDiffusion

/// Turns prompts into the token ids of one window, with the pseudo-word's rows where the word stands.
///
/// The word is found as text, not as token ids: `<name>`, `[name]` or `name` not inside another word, whatever its case. Its rows get the
/// ids `vocabularySize + j` and are never split: a prompt that does not fit is refused.
package struct PromptEncoder: Sendable {
    package let tokenizer: CLIPTokenizer
    /// Ids at and above this stand for learned rows: the rows of the text encoder's table.
    package let vocabularySize: Int
    /// 77 in Stable Diffusion, start and end included.
    package let windowLength: Int

    package init(tokenizer: CLIPTokenizer, configuration: TextEncoderConfiguration) throws {
        guard tokenizer.vocabularyCount <= configuration.vocabularySize else {
            throw InversionError(
                .input,
                "the tokenizer has \(tokenizer.vocabularyCount) tokens, the text encoder's table only \(configuration.vocabularySize) rows")
        }
        self.tokenizer = tokenizer
        vocabularySize = configuration.vocabularySize
        windowLength = configuration.maximumLength
    }

    /// Refuses a name that the model already knows as one token: it would take over that word everywhere.
    package func checkName(_ name: String) throws {
        let tokens = tokenizer.encode(name)
        guard !tokens.isEmpty else { throw InversionError(.prompt, "the pseudo-word \"\(name)\" has no letters; choose another name") }
        guard tokens.count > 1 else {
            throw InversionError(
                .prompt,
                "the pseudo-word \"\(name)\" is already a token of this model; choose a name that is not a word, like \"my-\(name)\"")
        }
    }

    /// The ids of a prompt: start, text, end, padding.
    ///
    /// - Parameters:
    ///   - word: the pseudo-word, when there is one.
    ///   - requiresWord: whether a prompt without it is an error.
    package func encode(_ prompt: String, word: (name: String, vectors: Int)? = nil, requiresWord: Bool = true) throws -> [Int] {
        var ids = [tokenizer.startOfText]
        var found = false
        if let word {
            let pieces = Self.split(prompt, at: word.name)
            found = pieces.count > 1
            for (index, piece) in pieces.enumerated() {
                if index > 0 { ids += (0..<word.vectors).map { vocabularySize + $0 } }
                ids += tokenizer.encode(piece)
            }
            if requiresWord && !found {
                throw InversionError(
                    .prompt,
                    "the prompt \"\(Self.short(prompt))\" does not hold the word \"\(word.name)\"; write [name] or \(word.name) where it should stand"
                )
            }
        } else {
            ids += tokenizer.encode(prompt)
        }
        ids.append(tokenizer.endOfText)
        guard ids.count <= windowLength else {
            throw InversionError(
                .prompt,
                "the prompt \"\(Self.short(prompt))\" needs \(ids.count) tokens; the window has \(windowLength), so shorten the prompt or use fewer vectors"
            )
        }
        return ids + Array(repeating: tokenizer.padding, count: windowLength - ids.count)
    }

    /// Whether the word stands somewhere in the prompt.
    package static func holds(_ name: String, in prompt: String) -> Bool { split(prompt, at: name).count > 1 }

    /// The prompt with another text wherever the word stands.
    package static func replacing(_ name: String, in prompt: String, with other: String) -> String {
        split(prompt, at: name).joined(separator: other)
    }

    /// The text between the places where the word stands.
    static func split(_ prompt: String, at name: String) -> [String] {
        let text = Array(prompt.unicodeScalars), folded = text.map(fold)
        let forms = ["<\(name)>", "[name]", "[\(name)]", name].map { Array($0.unicodeScalars).map(fold) }
        var pieces: [String] = [], piece = String.UnicodeScalarView(), index = 0
        func isWord(_ scalar: Unicode.Scalar) -> Bool {
            let properties = scalar.properties
            let isMark = [.nonspacingMark, .spacingMark, .enclosingMark].contains(properties.generalCategory)
            return properties.isAlphabetic || properties.numericType != nil || isMark
        }
        scanning: while index < text.count {
            for form in forms where !form.isEmpty && index + form.count <= text.count {
                guard folded[index..<index + form.count].elementsEqual(form) else { continue }
                let before = index > 0 ? text[index - 1] : " ", after = index + form.count < text.count ? text[index + form.count] : " "
                if isWord(text[index]) && isWord(before) || isWord(text[index + form.count - 1]) && isWord(after) { continue }
                pieces.append(String(piece))
                piece = String.UnicodeScalarView()
                index += form.count
                continue scanning
            }
            piece.append(text[index])
            index += 1
        }
        return pieces + [String(piece)]
    }

    private static func short(_ prompt: String) -> String { prompt.count <= 120 ? prompt : prompt.prefix(120) + "…" }

    private static func fold(_ scalar: Unicode.Scalar) -> String { scalar.properties.lowercaseMapping }
}
