// SPDX-License-Identifier: Apache-2.0

/// A little-endian cursor over bytes in memory that throws instead of reading past the end.
struct ByteReader {
    private let bytes: UnsafeRawBufferPointer
    private(set) var position: Int
    private let end: Int
    /// What is being read, for error lines: "pickle", "zip directory".
    private let subject: String

    init(_ bytes: UnsafeRawBufferPointer, from position: Int = 0, subject: String) {
        self.bytes = bytes
        self.position = min(max(position, 0), bytes.count)
        self.end = bytes.count
        self.subject = subject
    }

    var remaining: Int { end - position }

    mutating func take(_ count: Int) throws(ModelFileError) -> UnsafeRawBufferPointer {
        guard count >= 0, count <= remaining else {
            throw .malformed("\(subject) is cut short: \(count) bytes wanted at byte \(position), \(remaining) left")
        }
        defer { position += count }
        return UnsafeRawBufferPointer(rebasing: bytes[position..<position + count])
    }

    mutating func integer<Value: FixedWidthInteger>(_ type: Value.Type) throws(ModelFileError) -> Value {
        Value(littleEndian: try take(MemoryLayout<Value>.size).loadUnaligned(as: Value.self))
    }

    /// A length stored as an unsigned integer, refused when more than what is left.
    mutating func length<Value: FixedWidthInteger & UnsignedInteger>(_ type: Value.Type) throws(ModelFileError) -> Int {
        let value = try integer(type)
        guard value <= UInt64(remaining) else {
            throw .malformed("\(subject) is cut short: \(value) bytes claimed at byte \(position), \(remaining) left")
        }
        return Int(value)
    }

    mutating func text(_ count: Int) throws(ModelFileError) -> String {
        let start = position
        guard let text = String(validating: try take(count), as: UTF8.self) else {
            throw .malformed("\(subject) has text at byte \(start) that is not UTF-8")
        }
        return text
    }

    /// Text up to a newline, which is consumed and left out.
    mutating func line() throws(ModelFileError) -> String {
        guard let newline = bytes[position..<end].firstIndex(of: 0x0A) else {
            throw .malformed("\(subject) is cut short: no end of line after byte \(position)")
        }
        let text = try text(newline - position)
        position += 1
        return text
    }
}
