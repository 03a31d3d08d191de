// SPDX-License-Identifier: Apache-2.0

/// The directory of a ZIP file whose entries are stored without compression, as torch writes them.
///
/// ZIP64 sizes and offsets are understood. Compressed or encrypted entries are listed but refused when asked for.
struct ZipReader: Sendable {
    struct Entry: Sendable {
        let name: String
        let size: Int
        let checksum: UInt32
        fileprivate let compressedSize: Int
        fileprivate let method: UInt16
        fileprivate let flags: UInt16
        fileprivate let headerOffset: Int
    }

    private static let endSignature: UInt32 = 0x0605_4B50
    private static let entryLimit = 1_000_000

    private let file: MappedFile
    let entries: [String: Entry]

    /// Whether the file starts like a ZIP file.
    static func recognises(_ file: MappedFile) -> Bool {
        file.count >= 4 && file.bytes(0..<4) == [0x50, 0x4B, 0x03, 0x04]
    }

    init(_ file: MappedFile) throws(ModelFileError) {
        self.file = file
        let result = file.withBytes(0..<file.count) { bytes in
            Result { () throws(ModelFileError) in try Self.directory(bytes) }
        }
        do {
            entries = try result.get()
        } catch {
            throw error.at(file.path)
        }
    }

    /// The bytes of an entry, counted from the start of the file.
    func range(of entry: Entry) throws(ModelFileError) -> Range<Int> {
        guard entry.flags & 1 == 0 else { throw .unsupported("zip entry \(quoted(entry.name)) is encrypted").at(file.path) }
        guard entry.method == 0, entry.compressedSize == entry.size else {
            throw ModelFileError.unsupported(
                "zip entry \(quoted(entry.name)) is compressed; torch stores entries uncompressed: load and save the file with torch once"
            ).at(file.path)
        }
        let result = file.withBytes(0..<file.count) { bytes in
            Result { () throws(ModelFileError) in
                var reader = ByteReader(bytes, from: entry.headerOffset, subject: "zip entry \(quoted(entry.name))")
                guard try reader.integer(UInt32.self) == 0x0403_4B50 else {
                    throw .malformed("zip entry \(quoted(entry.name)) has no header where the directory says")
                }
                _ = try reader.take(22)
                let nameLength = Int(try reader.integer(UInt16.self))
                let extraLength = Int(try reader.integer(UInt16.self))
                guard try reader.text(nameLength) == entry.name else {
                    throw .malformed("zip entry \(quoted(entry.name)) has another name in its header than in the directory")
                }
                _ = try reader.take(extraLength)
                let start = reader.position
                _ = try reader.take(entry.size)
                return start..<reader.position
            }
        }
        do {
            return try result.get()
        } catch {
            throw error.at(file.path)
        }
    }

    /// A copy of an entry's bytes, with its checksum verified.
    func bytes(of entry: Entry) throws(ModelFileError) -> [UInt8] {
        let range = try range(of: entry)
        let bytes = file.bytes(range)
        // torch can be told not to compute checksums; it then stores zero.
        guard entry.checksum == 0 || CRC32.checksum(bytes) == entry.checksum else {
            throw ModelFileError.malformed("zip entry \(quoted(entry.name)) does not match its checksum; the file is damaged").at(file.path)
        }
        return bytes
    }

    private static func directory(_ bytes: UnsafeRawBufferPointer) throws(ModelFileError) -> [String: Entry] {
        let end = try endRecord(bytes)
        var reader = ByteReader(bytes, from: end, subject: "zip directory")
        _ = try reader.take(8)
        _ = try reader.integer(UInt16.self)
        var count = UInt64(try reader.integer(UInt16.self))
        _ = try reader.integer(UInt32.self)
        var offset = UInt64(try reader.integer(UInt32.self))
        if count == 0xFFFF || offset == 0xFFFF_FFFF { (count, offset) = try zip64End(bytes, before: end) ?? (count, offset) }
        // An entry takes at least 46 bytes of directory: a count beyond that is a lie.
        guard offset <= UInt64(end), count <= UInt64(entryLimit), count <= (UInt64(end) - offset) / 46 else {
            throw .malformed("the zip directory claims \(count) entries at byte \(offset), which the file has no room for")
        }
        reader = ByteReader(UnsafeRawBufferPointer(rebasing: bytes[0..<end]), from: Int(offset), subject: "zip directory")
        var entries: [String: Entry] = [:]
        for _ in 0..<count {
            let entry = try Self.entry(&reader, fileCount: bytes.count)
            guard entries.updateValue(entry, forKey: entry.name) == nil else {
                throw .malformed("the zip directory names \(quoted(entry.name)) twice")
            }
        }
        return entries
    }

    /// The position of the end-of-directory record, searched from the end as a comment may follow it.
    private static func endRecord(_ bytes: UnsafeRawBufferPointer) throws(ModelFileError) -> Int {
        var position = bytes.count - 22
        let lowest = max(0, bytes.count - 22 - 0xFFFF)
        while position >= lowest {
            if bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self) == endSignature {
                let comment = Int(bytes.loadUnaligned(fromByteOffset: position + 20, as: UInt16.self))
                if position + 22 + comment == bytes.count { return position }
            }
            position -= 1
        }
        throw .malformed("has no zip directory at its end; the file is cut short or is not a zip file")
    }

    private static func zip64End(_ bytes: UnsafeRawBufferPointer, before end: Int) throws(ModelFileError) -> (UInt64, UInt64)? {
        guard end >= 20 else { return nil }
        var locator = ByteReader(bytes, from: end - 20, subject: "zip64 locator")
        guard try locator.integer(UInt32.self) == 0x0706_4B50 else { return nil }
        _ = try locator.take(4)
        let position = try locator.integer(UInt64.self)
        guard position <= UInt64(end) else { throw .malformed("the zip64 locator points outside the file") }
        var record = ByteReader(bytes, from: Int(position), subject: "zip64 directory record")
        guard try record.integer(UInt32.self) == 0x0606_4B50 else { throw .malformed("the zip64 locator points to something else") }
        _ = try record.take(28)
        let count = try record.integer(UInt64.self)
        _ = try record.take(8)
        return (count, try record.integer(UInt64.self))
    }

    private static func entry(_ reader: inout ByteReader, fileCount: Int) throws(ModelFileError) -> Entry {
        guard try reader.integer(UInt32.self) == 0x0201_4B50 else {
            throw .malformed("the zip directory is damaged at byte \(reader.position - 4)")
        }
        _ = try reader.take(4)
        let flags = try reader.integer(UInt16.self)
        let method = try reader.integer(UInt16.self)
        _ = try reader.take(4)
        let checksum = try reader.integer(UInt32.self)
        var compressedSize = UInt64(try reader.integer(UInt32.self))
        var size = UInt64(try reader.integer(UInt32.self))
        let nameLength = Int(try reader.integer(UInt16.self))
        let extraLength = Int(try reader.integer(UInt16.self))
        let commentLength = Int(try reader.integer(UInt16.self))
        _ = try reader.take(8)
        var offset = UInt64(try reader.integer(UInt32.self))
        let name = try reader.text(nameLength)
        var extra = ByteReader(try reader.take(extraLength), subject: "zip extra field of \(quoted(name))")
        while extra.remaining >= 4 {
            let identifier = try extra.integer(UInt16.self)
            var field = ByteReader(try extra.take(Int(try extra.integer(UInt16.self))), subject: "zip64 field of \(quoted(name))")
            guard identifier == 1 else { continue }
            if size == 0xFFFF_FFFF { size = try field.integer(UInt64.self) }
            if compressedSize == 0xFFFF_FFFF { compressedSize = try field.integer(UInt64.self) }
            if offset == 0xFFFF_FFFF { offset = try field.integer(UInt64.self) }
        }
        _ = try reader.take(commentLength)
        guard offset < UInt64(fileCount), compressedSize <= UInt64(fileCount), size <= UInt64(Int.max) else {
            throw .malformed("zip entry \(quoted(name)) lies outside the file")
        }
        return Entry(
            name: name, size: Int(size), checksum: checksum, compressedSize: Int(compressedSize), method: method, flags: flags,
            headerOffset: Int(offset))
    }
}
