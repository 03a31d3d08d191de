// SPDX-License-Identifier: Apache-2.0

/// The kind of a file, told by its first bytes and never by its name.
enum PictureFormat {
    case png, jpeg, webp
    /// A picture of a kind that is not read; the text is the kind's usual name.
    case other(String)

    /// Nil when the bytes are no picture at all.
    init?(_ bytes: [UInt8]) {
        func text(_ range: Range<Int>) -> String {
            bytes.count >= range.upperBound ? String(decoding: bytes[range], as: UTF8.self) : ""
        }
        if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
            self = .png
        } else if bytes.starts(with: [0xFF, 0xD8, 0xFF]) {
            self = .jpeg
        } else if text(0..<4) == "RIFF", text(8..<12) == "WEBP" {
            self = .webp
        } else if text(0..<4) == "GIF8" {
            self = .other("GIF")
        } else if text(0..<2) == "BM", bytes.count > 26 {
            self = .other("BMP")
        } else if bytes.starts(with: [0x49, 0x49, 0x2A, 0]) || bytes.starts(with: [0x4D, 0x4D, 0, 0x2A]) {
            self = .other("TIFF")
        } else if text(4..<8) == "ftyp", ["heic", "heix", "mif1", "msf1", "hevc"].contains(text(8..<12)) {
            self = .other("HEIC")
        } else if text(4..<8) == "ftyp", ["avif", "avis"].contains(text(8..<12)) {
            self = .other("AVIF")
        } else if bytes.starts(with: [0, 0, 0, 0x0C, 0x4A, 0x58, 0x4C, 0x20]) || bytes.starts(with: [0xFF, 0x0A]) {
            self = .other("JPEG XL")
        } else {
            return nil
        }
    }
}
