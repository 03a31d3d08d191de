// SPDX-License-Identifier: Apache-2.0

/// A recursive-descent parser of RFC 8259 over raw bytes, with nesting limited so that hostile input cannot exhaust the stack.
struct JSONParser {
    private static let depthLimit = 64

    private let bytes: UnsafeRawBufferPointer
    private var position = 0

    init(bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    mutating func parseDocument() throws(ModelFileError) -> JSONValue {
        let value = try parseValue(depth: 0)
        skipSpace()
        guard position == bytes.count else { throw unexpected("the end of the text") }
        return value
    }

    private mutating func parseValue(depth: Int) throws(ModelFileError) -> JSONValue {
        guard depth < Self.depthLimit else { throw .malformed("JSON nested deeper than \(Self.depthLimit) levels") }
        skipSpace()
        switch peek {
        case UInt8(ascii: "{"): return try parseObject(depth: depth)
        case UInt8(ascii: "["): return try parseArray(depth: depth)
        case UInt8(ascii: "\""): return .string(try parseString())
        case UInt8(ascii: "t"): return try parseWord("true", .bool(true))
        case UInt8(ascii: "f"): return try parseWord("false", .bool(false))
        case UInt8(ascii: "n"): return try parseWord("null", .null)
        default: return try parseNumber()
        }
    }

    private mutating func parseObject(depth: Int) throws(ModelFileError) -> JSONValue {
        position += 1
        var members: [JSONValue.Member] = []
        var seen: Set<String> = []
        skipSpace()
        if consume("}") { return .object([]) }
        repeat {
            skipSpace()
            guard peek == UInt8(ascii: "\"") else { throw unexpected("a key in quotes") }
            let key = try parseString()
            guard seen.insert(key).inserted else { throw .malformed("JSON key \(quoted(key)) appears twice") }
            skipSpace()
            guard consume(":") else { throw unexpected("':'") }
            members.append(JSONValue.Member(key: key, value: try parseValue(depth: depth + 1)))
            skipSpace()
        } while consume(",")
        guard consume("}") else { throw unexpected("',' or '}'") }
        return .object(members)
    }

    private mutating func parseArray(depth: Int) throws(ModelFileError) -> JSONValue {
        position += 1
        var elements: [JSONValue] = []
        skipSpace()
        if consume("]") { return .array([]) }
        repeat {
            elements.append(try parseValue(depth: depth + 1))
            skipSpace()
        } while consume(",")
        guard consume("]") else { throw unexpected("',' or ']'") }
        return .array(elements)
    }

    private mutating func parseString() throws(ModelFileError) -> String {
        position += 1
        var utf8: [UInt8] = []
        while let byte = peek {
            position += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let text = String(validating: utf8, as: UTF8.self) else {
                    throw .malformed("JSON string before byte \(position) is not UTF-8")
                }
                return text
            case UInt8(ascii: "\\"):
                utf8.append(contentsOf: UTF8.encode(try parseEscape()) ?? UTF8.encodedReplacementCharacter)
            case 0..<0x20:
                position -= 1
                throw unexpected("a character of a string (control characters must be escaped)")
            default:
                utf8.append(byte)
            }
        }
        throw unexpected("the end of a string")
    }

    private mutating func parseEscape() throws(ModelFileError) -> Unicode.Scalar {
        guard let byte = peek else { throw unexpected("an escape") }
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"):
            let unit = try parseHex()
            if let scalar = Unicode.Scalar(unit) { return scalar }
            guard unit < 0xDC00, consume("\\"), consume("u") else { throw unexpected("the second half of a surrogate pair") }
            let low = try parseHex()
            guard (0xDC00...0xDFFF).contains(low),
                let scalar = Unicode.Scalar(0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00))
            else { throw unexpected("the second half of a surrogate pair") }
            return scalar
        default:
            position -= 1
            throw unexpected("one of \" \\ / b f n r t u")
        }
    }

    private mutating func parseHex() throws(ModelFileError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = peek, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw unexpected("a hexadecimal digit")
            }
            value = value << 4 | UInt32(digit)
            position += 1
        }
        return value
    }

    private mutating func parseNumber() throws(ModelFileError) -> JSONValue {
        let start = position
        var isInteger = true
        _ = consume("-")
        let leadingZero = peek == UInt8(ascii: "0")
        guard let digits = skipDigits(), !leadingZero || digits == 1 else {
            position = start
            throw unexpected("a value")
        }
        if consume(".") {
            isInteger = false
            guard skipDigits() != nil else { throw unexpected("a digit") }
        }
        if consume("e") || consume("E") {
            isInteger = false
            if !consume("+") { _ = consume("-") }
            guard skipDigits() != nil else { throw unexpected("a digit") }
        }
        guard position - start <= 400 else { throw .malformed("JSON number at byte \(start) is longer than 400 characters") }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        if isInteger, let value = Int(text) { return .integer(value) }
        guard let value = Double(text), value.isFinite else { throw .malformed("JSON number at byte \(start) is out of range") }
        return .number(value)
    }

    /// Skips digits and returns how many there were, or nil for none.
    private mutating func skipDigits() -> Int? {
        let start = position
        while let byte = peek, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { position += 1 }
        return position == start ? nil : position - start
    }

    private mutating func parseWord(_ word: StaticString, _ value: JSONValue) throws(ModelFileError) -> JSONValue {
        for index in 0..<word.utf8CodeUnitCount {
            guard peek == word.utf8Start[index] else { throw unexpected("'\(word)'") }
            position += 1
        }
        return value
    }

    private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func consume(_ character: Unicode.Scalar) -> Bool {
        guard peek == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    private mutating func skipSpace() {
        while let byte = peek, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
    }

    private func unexpected(_ expected: String) -> ModelFileError {
        guard let byte = peek else { return .malformed("JSON ends at byte \(position) where \(expected) was expected") }
        return .malformed("JSON has byte 0x\(String(byte, radix: 16)) at byte \(position) where \(expected) was expected")
    }
}
