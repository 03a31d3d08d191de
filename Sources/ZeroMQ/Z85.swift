// SPDX-License-Identifier: Apache-2.0

/// ZeroMQ's printable form of binary keys: four bytes are five characters (RFC 32 of the ZeroMQ project).
enum Z85 {
    private static let alphabet = Array("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#".utf8)

    /// The value of each ASCII character; 255 for those that are not in the alphabet.
    private static let values: [UInt8] = {
        var values = [UInt8](repeating: 255, count: 128)
        for (value, character) in alphabet.enumerated() { values[Int(character)] = UInt8(value) }
        return values
    }()

    /// The text of words in big-endian order.
    static func text(of words: [UInt32]) -> String {
        var characters: [UInt8] = []
        characters.reserveCapacity(words.count * 5)
        for word in words {
            var divisor: UInt32 = 85 * 85 * 85 * 85
            for _ in 0..<5 {
                characters.append(alphabet[Int(word / divisor % 85)])
                divisor /= 85
            }
        }
        return String(decoding: characters, as: UTF8.self)
    }

    /// The words of a text; nil if it is not Z85.
    ///
    /// Each word has exactly one text: what is over 32 bits is refused.
    static func words(of text: some Collection<UInt8>) -> [UInt32]? {
        guard text.count % 5 == 0 else { return nil }
        var words: [UInt32] = []
        words.reserveCapacity(text.count / 5)
        var (word, count): (UInt64, Int) = (0, 0)
        for character in text {
            guard character < 128, values[Int(character)] != 255 else { return nil }
            (word, count) = (word * 85 + UInt64(values[Int(character)]), count + 1)
            if count == 5 {
                guard let whole = UInt32(exactly: word) else { return nil }
                words.append(whole)
                (word, count) = (0, 0)
            }
        }
        return words
    }
}
