// SPDX-License-Identifier: Apache-2.0

/// A parsed JSON value whose objects keep their order.
///
/// Strict where the formats here need it: duplicate keys, unpaired surrogates, trailing bytes and deep nesting are errors.
package enum JSONValue: Sendable, Equatable {
    case object([Member])
    case array([JSONValue])
    case string(String)
    /// A number without fraction or exponent that fits 64 bits.
    case integer(Int)
    case number(Double)
    case bool(Bool)
    case null

    package struct Member: Sendable, Equatable {
        package let key: String
        package let value: JSONValue
    }

    /// Parses one JSON text.
    ///
    /// - Throws: `ModelFileError` (malformed) that says what is wrong at which byte.
    package init(parsing bytes: UnsafeRawBufferPointer) throws(ModelFileError) {
        var parser = JSONParser(bytes: bytes)
        self = try parser.parseDocument()
    }

    /// Parses the JSON file at `path`, which may have at most `limit` bytes.
    package init(path: String, limit: Int = 64 << 20) throws(ModelFileError) {
        let file = try MappedFile(path: path)
        guard file.count <= limit else {
            throw ModelFileError(.unsupported, "has \(file.count) bytes; a JSON file here has at most \(limit)", path: path)
        }
        do {
            self = try JSONValue(parsing: file.bytes(0..<file.count))
        } catch {
            throw error.at(path)
        }
    }

    /// Parses one JSON text.
    package init(parsing bytes: [UInt8]) throws(ModelFileError) {
        let result = bytes.withUnsafeBytes { buffer in
            Result { () throws(ModelFileError) in try JSONValue(parsing: buffer) }
        }
        self = try result.get()
    }

    /// The value of a key, or nil when this is not an object or has no such key.
    package subscript(key: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.key == key }?.value
    }

    package var text: String? {
        if case .string(let value) = self { value } else { nil }
    }

    package var integer: Int? {
        if case .integer(let value) = self { value } else { nil }
    }

    package var boolean: Bool? {
        if case .bool(let value) = self { value } else { nil }
    }

    /// The text as a JSON string literal, quotes included; characters outside ASCII stay as they are.
    package static func literal(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
