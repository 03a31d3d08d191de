// SPDX-License-Identifier: Apache-2.0

import CPictures

extension Picture {
    /// The picture as a PNG file.
    ///
    /// - Parameter text: keywords (1 to 79 Latin-1 letters) and values, stored in key order; tEXt where Latin-1 suffices, else iTXt.
    package func pngData(text: [String: String] = [:]) throws -> [UInt8] {
        var problem = ""
        let capacity = pictures_png_bound(UInt32(width), UInt32(height))
        var file = [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
            withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(PICTURES_MESSAGE_SIZE)) { message in
                message.initialize(repeating: 0)
                guard let base = buffer.baseAddress, let text = message.baseAddress else { return }
                count = pictures_png_encode(UInt32(width), UInt32(height), pixels, base, capacity, text)
                if count == 0 { problem = String(cString: text) }
            }
        }
        guard !file.isEmpty else { throw PictureError(.unwritable, "the PNG picture cannot be encoded: \(PictureError.oneLine(problem))") }
        // The signature has 8 bytes and IHDR, which comes first, always 25.
        let chunks = try text.sorted { $0.key < $1.key }.flatMap { try PNGText.chunk(keyword: $0.key, value: $0.value) }
        file.insert(contentsOf: chunks, at: 33)
        return file
    }

    /// Writes a PNG file; a reader sees the old file or the whole new one.
    package func writePNG(to path: String, text: [String: String] = [:]) throws {
        try PictureFile.writeAtomically(pngData(text: text), to: path)
    }
}

/// Text chunks, which libpng's simplified interface does not write.
enum PNGText {
    static func chunk(keyword: String, value: String) throws -> [UInt8] {
        guard let key = latin1(keyword), (1...79).contains(key.count), !keyword.hasPrefix(" "), !keyword.hasSuffix(" "),
            key.allSatisfy({ (0x20...0x7E).contains($0) || $0 >= 0xA1 })
        else {
            throw PictureError(.invalidText, "PNG keyword \"\(PictureError.oneLine(keyword))\": expected 1 to 79 printable Latin-1 letters")
        }
        guard !value.unicodeScalars.contains("\0") else {
            throw PictureError(.invalidText, "PNG text \"\(PictureError.oneLine(keyword))\" has a zero byte, which PNG cannot hold")
        }
        if let plain = latin1(value) { return chunk(type: "tEXt", body: key + [0] + plain) }
        // Uncompressed, no language, no translated keyword.
        return chunk(type: "iTXt", body: key + [0, 0, 0, 0, 0] + Array(value.utf8))
    }

    private static func latin1(_ text: String) -> [UInt8]? {
        var bytes = [UInt8]()
        for scalar in text.unicodeScalars {
            guard let byte = UInt8(exactly: scalar.value) else { return nil }
            bytes.append(byte)
        }
        return bytes
    }

    private static func chunk(type: String, body: [UInt8]) -> [UInt8] {
        let content = Array(type.utf8) + body
        return bigEndian(UInt32(body.count)) + content + bigEndian(checksum(content))
    }

    private static func bigEndian(_ value: UInt32) -> [UInt8] {
        [UInt8(value >> 24), UInt8(value >> 16 & 0xFF), UInt8(value >> 8 & 0xFF), UInt8(value & 0xFF)]
    }

    /// CRC-32 as PNG and zlib define it.
    private static func checksum(_ bytes: [UInt8]) -> UInt32 {
        var crc = UInt32.max
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
        }
        return ~crc
    }
}
