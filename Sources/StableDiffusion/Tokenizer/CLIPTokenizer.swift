// SPDX-License-Identifier: Apache-2.0

package import ModelFiles

/// CLIP's tokenizer: lower-cased text to byte-pair-encoded token ids.
///
/// Gives the ids of `transformers.CLIPTokenizer` (version 5, the one backed by the tokenizers library): text is composed
/// (NFC), white space collapsed, letters lower-cased one scalar at a time, split into words, numbers and punctuation, and each
/// piece merged byte by byte. Special tokens written out in the text become their ids.
package struct CLIPTokenizer: Sendable {
    private let vocabulary: TokenVocabulary
    private let encoder: BytePairEncoder
    /// Found in the text as it is.
    private let rawTokens: SpecialTokenMatcher
    /// Found in the text after it is normalised, so whatever their case.
    private let normalizedTokens: SpecialTokenMatcher

    /// The id that every prompt starts with.
    package let startOfText: Int
    /// The id that every prompt ends with.
    package let endOfText: Int
    /// The id that fills a prompt up to its length: `endOfText` in Stable Diffusion 1, that of `!` in 2.
    package let padding: Int
    /// Number of tokens, special ones included: the rows a text encoder's table needs.
    package var vocabularyCount: Int { vocabulary.count }

    /// Reads `vocab.json`, `merges.txt` and the special tokens of a diffusers `tokenizer` folder.
    ///
    /// - Throws: `ModelFileError`.
    package init(folder: String) throws(ModelFileError) {
        let special = try SpecialTokens(folder: folder)
        var vocabulary = try TokenVocabulary(path: folder + "/vocab.json")
        let merges = try BytePairEncoder.readMerges(path: folder + "/merges.txt", vocabulary)
        guard let unknown = vocabulary.id(of: special.unknown) else {
            throw ModelFileError(.malformed, "lacks the unknown token \(quoted(special.unknown))", path: folder + "/vocab.json")
        }
        encoder = BytePairEncoder(vocabulary, merges: merges, unknown: unknown)
        for token in special.all { vocabulary.add(token.content) }
        func id(_ content: String) throws(ModelFileError) -> Int {
            guard let id = vocabulary.id(of: content) else {
                throw ModelFileError(.malformed, "lacks the special token \(quoted(content))", path: folder + "/vocab.json")
            }
            return id
        }
        startOfText = try id(special.startOfText)
        endOfText = try id(special.endOfText)
        padding = try id(special.padding)
        var raw: [(token: [Unicode.Scalar], id: Int)] = []
        var normalized: [(token: [Unicode.Scalar], id: Int)] = []
        for token in special.all {
            let id = try id(token.content)
            if token.isNormalized {
                normalized.append((CLIPText.normalize(Array(token.content.unicodeScalars)), id))
            } else {
                raw.append((Array(token.content.unicodeScalars), id))
            }
        }
        rawTokens = SpecialTokenMatcher(raw)
        normalizedTokens = SpecialTokenMatcher(normalized)
        self.vocabulary = vocabulary
    }

    /// The ids of a text, without start, end or padding, however long.
    package func encode(_ text: String) -> [Int] {
        var ids: [Int] = []
        for part in rawTokens.split(Array(text.unicodeScalars)) {
            switch part {
            case .token(let id): ids.append(id)
            case .text(let scalars):
                for part in normalizedTokens.split(CLIPText.normalize(scalars)) {
                    switch part {
                    case .token(let id): ids.append(id)
                    case .text(let scalars):
                        CLIPText.forEachPiece(of: scalars) { encoder.encode($0, into: &ids) }
                    }
                }
            }
        }
        return ids
    }

    /// The tokens as spelled in the vocabulary; nil for an id that is not in it.
    package func tokens(for ids: [Int]) -> [String?] {
        ids.map { vocabulary.token($0) }
    }

    /// The text of token ids: words separated by single spaces, ids outside the vocabulary left out.
    ///
    /// Lower-cased and with changed spacing, as the tokenizer does not keep either.
    package func decode(_ ids: [Int]) -> String {
        var bytes: [UInt8] = []
        for token in ids.compactMap({ vocabulary.token($0) }) {
            bytes += ByteAlphabet.bytes(of: token) ?? Array(token.utf8)
        }
        var text = String(decoding: bytes, as: UTF8.self).unicodeScalars.split(
            separator: "</w>".unicodeScalars, omittingEmptySubsequences: false
        )
        .map { String($0) }.joined(separator: " ").unicodeScalars[...]
        // What Python strips: white space and the four ASCII separators.
        func isStripped(_ scalar: Unicode.Scalar?) -> Bool {
            guard let scalar else { return false }
            return scalar.properties.isWhitespace || ("\u{1C}"..."\u{1F}").contains(scalar)
        }
        while isStripped(text.first) { text.removeFirst() }
        while isStripped(text.last) { text.removeLast() }
        return String(text)
    }
}
