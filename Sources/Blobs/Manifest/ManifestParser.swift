// SPDX-License-Identifier: Apache-2.0
package import Foundation

extension Manifest {
    /// Reads a manifest's text; white space and the order of files and keys do not matter.
    ///
    /// - Throws: `.invalid`, with where and why.
    package init(parsing data: Data) throws(BlobError) {
        guard data.count <= Self.maximumTextBytes else {
            throw Self.refusal("has \(data.count) bytes; at most \(Self.maximumTextBytes) are allowed")
        }
        var parser = ManifestParser(data)
        self = try parser.manifest()
    }

    package init(parsing text: String) throws(BlobError) { try self.init(parsing: Data(text.utf8)) }
}

/// As much JSON as a manifest needs: one object with a list of flat objects.
///
/// Nothing nests deeper, whatever the text says, and nothing is allocated but what the text holds.
private struct ManifestParser {
    private let bytes: [UInt8]
    private var position = 0

    init(_ data: Data) { bytes = Array(data) }

    mutating func manifest() throws(BlobError) -> Manifest {
        var files: [Manifest.File]?
        var format: String?
        var version: Int64?
        try object { (parser, key) throws(BlobError) in
            switch key {
            case "files": files = try parser.files()
            case "format": format = try parser.string()
            case "version": version = try parser.number()
            default: throw parser.failure("has the unknown key \(SafePath.shown(key))")
            }
        }
        guard peek() == nil else { throw failure("goes on after its end") }
        guard format == Manifest.format else { throw Manifest.refusal("its format is not \"\(Manifest.format)\"") }
        guard version == Manifest.version else {
            throw Manifest.refusal("its version is not \(Manifest.version); install the same release on both sides")
        }
        guard let files else { throw Manifest.refusal("has no files") }
        return try Manifest(files: files)
    }

    private mutating func files() throws(BlobError) -> [Manifest.File] {
        var files: [Manifest.File] = []
        try expect("[")
        if peek() == UInt8(ascii: "]") {
            position += 1
            return files
        }
        while true {
            guard files.count < Manifest.maximumFiles else { throw failure("lists more than \(Manifest.maximumFiles) files") }
            files.append(try file())
            guard try separator(end: "]") else { return files }
        }
    }

    private mutating func file() throws(BlobError) -> Manifest.File {
        var path: String?
        var digest: BlobDigest?
        var count: Int64?
        var role = ""
        try object { (parser, key) throws(BlobError) in
            switch key {
            case "path": path = try parser.string()
            case "role": role = try parser.string()
            case "bytes": count = try parser.number()
            case "sha256":
                digest = BlobDigest(hex: try parser.string())
                if digest == nil { throw parser.failure("has a sha256 that is not 64 lower-case hexadecimal digits") }
            default: throw parser.failure("has the unknown key \(SafePath.shown(key))")
            }
        }
        guard let path, let digest, let count else { throw failure("has a file without path, bytes or sha256") }
        return Manifest.File(path: path, digest: digest, bytes: count, role: role)
    }

    /// Calls `value` for each key; it has to read the value.
    ///
    /// No key may come twice.
    private mutating func object(_ value: (inout ManifestParser, String) throws(BlobError) -> Void) throws(BlobError) {
        var keys: Set<String> = []
        try expect("{")
        if peek() == UInt8(ascii: "}") {
            position += 1
            return
        }
        while true {
            let key = try string()
            guard keys.insert(key).inserted else { throw failure("has the key \(SafePath.shown(key)) twice") }
            try expect(":")
            try value(&self, key)
            guard try separator(end: "}") else { return }
        }
    }

    /// Whether another element follows.
    private mutating func separator(end: Unicode.Scalar) throws(BlobError) -> Bool {
        switch peek() {
        case UInt8(ascii: ","):
            position += 1
            return true
        case UInt8(ascii: end):
            position += 1
            return false
        default: throw failure("is not valid JSON: expected , or \(end)")
        }
    }

    private mutating func number() throws(BlobError) -> Int64 {
        let start = peek() == nil ? position : position
        while position < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[position]) { position += 1 }
        let digits = bytes[start..<position]
        guard digits.count == 1 || digits.first != UInt8(ascii: "0"), let value = Int64(String(decoding: digits, as: UTF8.self)) else {
            throw failure("expected a whole number from 0 up")
        }
        return value
    }

    private mutating func string() throws(BlobError) -> String {
        try expect("\"")
        var text: [UInt8] = []
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let string = String(validating: text, as: UTF8.self) else { throw failure("has text that is not UTF-8") }
                return string
            case UInt8(ascii: "\\"): text += try escaped()
            case ..<0x20: throw failure("has a control character in text")
            default: text.append(byte)
            }
            guard text.count <= SafePath.maximumBytes else { throw failure("has text of more than \(SafePath.maximumBytes) bytes") }
        }
        throw failure("ends within text")
    }

    private mutating func escaped() throws(BlobError) -> [UInt8] {
        guard position < bytes.count else { throw failure("ends within text") }
        let byte = bytes[position]
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
        case UInt8(ascii: "b"): return [8]
        case UInt8(ascii: "f"): return [12]
        case UInt8(ascii: "n"): return [10]
        case UInt8(ascii: "r"): return [13]
        case UInt8(ascii: "t"): return [9]
        case UInt8(ascii: "u"):
            var value = UInt32(try codeUnit())
            if (0xD800...0xDBFF).contains(value), bytes[position...].starts(with: Array("\\u".utf8)) {
                position += 2
                let low = UInt32(try codeUnit())
                guard (0xDC00...0xDFFF).contains(low) else { throw failure("has half of a character") }
                value = 0x10000 + (value - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(value) else { throw failure("has half of a character") }
            return Array(String(Character(scalar)).utf8)
        default: throw failure("has an unknown escape in text")
        }
    }

    private mutating func codeUnit() throws(BlobError) -> UInt16 {
        guard bytes.count - position >= 4 else { throw failure("ends within text") }
        let digits = bytes[position..<position + 4]
        guard digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit && $0 < 0x80 }),
            let value = UInt16(String(decoding: digits, as: UTF8.self), radix: 16)
        else { throw failure("has an unknown escape in text") }
        position += 4
        return value
    }

    private mutating func expect(_ wanted: Unicode.Scalar) throws(BlobError) {
        guard peek() == UInt8(ascii: wanted) else { throw failure("is not valid JSON: expected \(wanted)") }
        position += 1
    }

    /// The next byte that is not white space, which it moves to.
    private mutating func peek() -> UInt8? {
        while position < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[position]) { position += 1 }
        return position < bytes.count ? bytes[position] : nil
    }

    private func failure(_ why: String) -> BlobError { BlobError(.invalid, "manifest, at byte \(position): \(why)") }
}
