// SPDX-License-Identifier: Apache-2.0

import ModelFiles

/// The tokens of a `vocab.json` and their ids, and tokens added to them.
struct TokenVocabulary: Sendable {
    /// Far beyond any vocabulary, and small enough to index tables by.
    private static let idLimit = 1 << 24

    private var ids: [String: Int] = [:]
    private var tokens: [Int: String] = [:]
    private var nextID = 0

    init(path: String) throws(ModelFileError) {
        guard case .object(let members) = try JSONValue(path: path), !members.isEmpty else {
            throw ModelFileError(.malformed, "is not an object of tokens and their ids", path: path)
        }
        for member in members {
            guard let id = member.value.integer, (0..<Self.idLimit).contains(id) else {
                throw ModelFileError(.malformed, "token \(quoted(member.key)) has no id between 0 and \(Self.idLimit - 1)", path: path)
            }
            guard tokens.updateValue(member.key, forKey: id) == nil else {
                throw ModelFileError(.malformed, "token \(quoted(member.key)) has the id \(id) of another token", path: path)
            }
            ids[member.key] = id
        }
        nextID = members.count
    }

    var count: Int { tokens.count }

    func id(of token: String) -> Int? { ids[token] }

    func token(_ id: Int) -> String? { tokens[id] }

    /// Adds a token under the next free id unless it is there already.
    mutating func add(_ token: String) {
        guard ids[token] == nil else { return }
        while tokens[nextID] != nil { nextID += 1 }
        ids[token] = nextID
        tokens[nextID] = token
    }
}

/// The printable characters that stand for the 256 bytes in a byte-level vocabulary (GPT-2's table).
enum ByteAlphabet {
    /// The character of each byte: itself where it prints, otherwise the next one from U+0100 on.
    static let characters: [Unicode.Scalar] = {
        var next: UInt32 = 0x100
        return (UInt8.min...UInt8.max).map { byte in
            switch byte {
            case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: return Unicode.Scalar(byte)
            default:
                defer { next += 1 }
                return Unicode.Scalar(next) ?? "?"
            }
        }
    }()

    private static let bytes: [Unicode.Scalar: UInt8] = Dictionary(
        uniqueKeysWithValues: zip(characters, UInt8.min...UInt8.max))

    /// The bytes a token stands for, or nil when it has a character outside the alphabet.
    static func bytes(of token: String) -> [UInt8]? {
        var result: [UInt8] = []
        for scalar in token.unicodeScalars {
            guard let byte = bytes[scalar] else { return nil }
            result.append(byte)
        }
        return result
    }
}
