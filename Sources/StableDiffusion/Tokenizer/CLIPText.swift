// SPDX-License-Identifier: Apache-2.0

import Foundation

/// What CLIP does to text before byte-pair encoding: normalising it and splitting it into pieces.
///
/// Works on Unicode scalars throughout: Swift's characters and lower-casing would join and change more than CLIP does.
enum CLIPText {
    private enum Kind {
        case space, letter, number, other
    }

    private static let literals = ["<|startoftext|>", "<|endoftext|>"].map { Array($0.unicodeScalars) }
    /// In the order they are tried, as alternatives of the regular expression CLIP was published with.
    private static let contractions = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"].map { Array($0.unicodeScalars) }

    /// Composes (NFC), collapses white space to single spaces, and lower-cases scalar by scalar.
    ///
    /// Lower-casing has no context (a final Σ becomes σ) and is not composed again (İ becomes i and a dot above).
    static func normalize(_ scalars: [Unicode.Scalar]) -> [Unicode.Scalar] {
        let source = scalars.allSatisfy(\.isASCII) ? scalars : compose(scalars)
        var result: [Unicode.Scalar] = []
        result.reserveCapacity(source.count)
        var afterSpace = false
        for scalar in source {
            if kind(scalar) == .space {
                if !afterSpace { result.append(" ") }
                afterSpace = true
                continue
            }
            afterSpace = false
            if scalar.isASCII {
                result.append(("A"..."Z").contains(scalar) ? Unicode.Scalar(UInt8(scalar.value) + 32) : scalar)
            } else {
                result.append(contentsOf: scalar.properties.lowercaseMapping.unicodeScalars)
            }
        }
        return result
    }

    /// Canonical composition as the tokenizers library's tables have it: those of Unicode 9.
    ///
    /// What came later neither moves nor combines there, so it divides the text into parts that are composed alone.
    private static func compose(_ scalars: [Unicode.Scalar]) -> [Unicode.Scalar] {
        var result: [Unicode.Scalar] = []
        var part = String.UnicodeScalarView()
        func flush() {
            for scalar in String(part).precomposedStringWithCanonicalMapping.unicodeScalars {
                // Swift 6.3 leaves a composed Hangul syllable without final and a final that follows it apart.
                if let last = result.last, let syllable = hangul(last, final: scalar) {
                    result[result.count - 1] = syllable
                } else {
                    result.append(scalar)
                }
            }
            part.removeAll()
        }
        for scalar in scalars {
            // Swift 6.3 also loses U+11A7 after two Hangul letters; it combines with nothing and can stand apart.
            if scalar.isASCII || (scalar.value != 0x11A7 && scalar.properties.age.map { $0.major <= 9 } == true) {
                part.append(scalar)
            } else {
                flush()
                result.append(scalar)
            }
        }
        flush()
        return result
    }

    /// The syllable of a Hangul syllable without a final and a final consonant, or nil for anything else.
    private static func hangul(_ syllable: Unicode.Scalar, final: Unicode.Scalar) -> Unicode.Scalar? {
        guard (0xAC00...0xD7A3).contains(syllable.value), (syllable.value - 0xAC00) % 28 == 0, (0x11A8...0x11C2).contains(final.value)
        else { return nil }
        return Unicode.Scalar(syllable.value + final.value - 0x11A7)
    }

    /// Calls `body` with the UTF-8 bytes of each piece: a contraction, a run of letters, one number, or a run of anything else.
    static func forEachPiece(of scalars: [Unicode.Scalar], _ body: ([UInt8]) -> Void) {
        var start = 0
        while start < scalars.count {
            if let literal = literals.first(where: { scalars[start...].starts(with: $0) }) {
                // Text like a special token that is not one here: kept apart from punctuation around it, then split in three.
                let end = start + literal.count
                for part in [start..<start + 2, start + 2..<end - 2, end - 2..<end] { body(utf8(scalars[part])) }
                start = end
                continue
            }
            let end = pieceEnd(scalars, start)
            if kind(scalars[start]) != .space { body(utf8(scalars[start..<end])) }
            start = end
        }
    }

    private static func pieceEnd(_ scalars: [Unicode.Scalar], _ start: Int) -> Int {
        let rest = scalars[start...]
        switch kind(scalars[start]) {
        case .space, .number: return start + 1
        case .letter: return rest.firstIndex { kind($0) != .letter } ?? scalars.count
        case .other:
            if let contraction = contractions.first(where: { rest.starts(with: $0) }) { return start + contraction.count }
            return rest.firstIndex { kind($0) != .other } ?? scalars.count
        }
    }

    private static func utf8(_ scalars: ArraySlice<Unicode.Scalar>) -> [UInt8] {
        scalars.flatMap { Array(UTF8.encode($0) ?? UTF8.encodedReplacementCharacter) }
    }

    private static func kind(_ scalar: Unicode.Scalar) -> Kind {
        if scalar.isASCII {
            switch scalar {
            case "a"..."z", "A"..."Z": return .letter
            case "0"..."9": return .number
            case " ", "\t"..."\r": return .space
            default: return .other
            }
        }
        if scalar.properties.isWhitespace { return .space }
        // The tokenizers library knows Unicode 16; what came later is punctuation to it.
        guard let age = scalar.properties.age, age.major <= 16 else { return .other }
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: return .letter
        case .decimalNumber, .letterNumber, .otherNumber: return .number
        default: return .other
        }
    }
}
