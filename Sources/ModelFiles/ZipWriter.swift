// SPDX-License-Identifier: Apache-2.0

/// Builds a ZIP file of stored entries in memory; the same entries always give the same bytes.
///
/// Entry data starts at multiples of 64 bytes, as torch aligns it for mapping. Times are the DOS epoch, 1980-01-01.
struct ZipWriter {
    private static let alignment = 64
    /// 1980-01-01 as DOS writes it; the time 00:00 is zero.
    private static let date: UInt16 = 0x0021

    private var body: [UInt8] = []
    private var directory: [UInt8] = []
    private var count: UInt16 = 0

    mutating func add(_ name: String, _ data: [UInt8]) {
        let offset = body.count
        let name = Array(name.utf8)
        precondition(offset + name.count + data.count + 128 < Int(UInt32.max), "archive too large for a zip file without zip64")
        let checksum = CRC32.checksum(data)
        // Padding is an extra field with the identifier "FB", which torch uses too; it needs at least its own 4 bytes.
        let unpadded = offset + 30 + name.count + 4
        let padding = (Self.alignment - unpadded % Self.alignment) % Self.alignment
        append(&body, UInt32(0x0403_4B50))
        appendCommon(&body, checksum, data.count, name.count, extra: 4 + padding)
        body += name
        body += [UInt8(ascii: "F"), UInt8(ascii: "B")]
        append(&body, UInt16(padding))
        body += repeatElement(UInt8(ascii: "Z"), count: padding)
        body += data

        append(&directory, UInt32(0x0201_4B50))
        append(&directory, UInt16(20))
        appendCommon(&directory, checksum, data.count, name.count, extra: 0)
        append(&directory, UInt16(0))
        append(&directory, UInt16(0))
        append(&directory, UInt16(0))
        append(&directory, UInt32(0))
        append(&directory, UInt32(offset))
        directory += name
        count += 1
    }

    consuming func finish() -> [UInt8] {
        let offset = UInt32(body.count)
        var bytes = body + directory
        append(&bytes, UInt32(0x0605_4B50))
        append(&bytes, UInt32(0))
        append(&bytes, count)
        append(&bytes, count)
        append(&bytes, UInt32(directory.count))
        append(&bytes, offset)
        append(&bytes, UInt16(0))
        return bytes
    }

    /// The fields that the local header and the directory share, from "version needed" to the lengths.
    private func appendCommon(_ bytes: inout [UInt8], _ checksum: UInt32, _ size: Int, _ nameLength: Int, extra: Int) {
        append(&bytes, UInt16(20))
        append(&bytes, UInt16(0))
        append(&bytes, UInt16(0))
        append(&bytes, UInt16(0))
        append(&bytes, Self.date)
        append(&bytes, checksum)
        append(&bytes, UInt32(size))
        append(&bytes, UInt32(size))
        append(&bytes, UInt16(nameLength))
        append(&bytes, UInt16(extra))
    }
}

/// Appends an integer in little-endian order.
func append(_ bytes: inout [UInt8], _ value: some FixedWidthInteger) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
}
