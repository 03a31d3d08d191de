// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import ModelFiles

@Suite struct ZipTests {
    private func archive() -> [UInt8] {
        var zip = ZipWriter()
        zip.add("a/one", [1, 2, 3])
        zip.add("a/empty", [])
        zip.add("a/long", [UInt8](repeating: 9, count: 1000))
        return zip.finish()
    }

    /// `bytes` with the integer at `offset` replaced.
    private func patched(_ bytes: [UInt8], _ offset: Int, _ value: some FixedWidthInteger) -> [UInt8] {
        var bytes = bytes
        var patch: [UInt8] = []
        append(&patch, value)
        bytes.replaceSubrange(offset..<offset + patch.count, with: patch)
        return bytes
    }

    @Test func theChecksumIsTheStandardOne() {
        #expect(CRC32.checksum(Array("123456789".utf8)) == 0xCBF4_3926)
        #expect(CRC32.checksum([]) == 0)
    }

    @Test func entriesReadBackAndAreAligned() throws {
        let folder = try TemporaryFolder()
        let zip = try ZipReader(MappedFile(path: folder.file("x.zip", archive())))
        #expect(zip.entries.keys.sorted() == ["a/empty", "a/long", "a/one"])
        for (name, expected) in [("a/one", [1, 2, 3]), ("a/empty", []), ("a/long", [UInt8](repeating: 9, count: 1000))]
            as [(String, [UInt8])]
        {
            let entry = try #require(zip.entries[name])
            #expect(try zip.bytes(of: entry) == expected)
            #expect(try zip.range(of: entry).lowerBound % 64 == 0)
        }
    }

    @Test func commentsAndZip64RecordsAreUnderstood() throws {
        let folder = try TemporaryFolder()
        let plain = archive()
        let end = plain.count - 22
        let commented = patched(plain, plain.count - 2, UInt16(5)) + Array("hello".utf8)
        #expect(try ZipReader(MappedFile(path: folder.file("x.zip", commented))).entries.count == 3)

        let offset = plain[(end + 16)..<(end + 20)].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        var zip64 = Array(plain[0..<end])
        append(&zip64, UInt32(0x0606_4B50))
        append(&zip64, UInt64(44))
        zip64 += [UInt8](repeating: 0, count: 12)
        for value in [3, 3, UInt64(end) - offset, offset] { append(&zip64, value) }
        append(&zip64, UInt32(0x0706_4B50))
        append(&zip64, UInt32(0))
        append(&zip64, UInt64(end))
        append(&zip64, UInt32(1))
        zip64 += patched(patched(Array(plain[end...]), 10, UInt16.max), 16, UInt32.max)
        #expect(try ZipReader(MappedFile(path: folder.file("x.zip", zip64))).entries.count == 3)
    }

    @Test func compressedEncryptedAndDamagedEntriesAreRefused() throws {
        let folder = try TemporaryFolder()
        let plain = archive()
        let directory = Int(plain[(plain.count - 6)..<(plain.count - 2)].reversed().reduce(0) { $0 << 8 | UInt32($1) })
        for (bytes, complaint) in [
            (patched(plain, directory + 10, UInt16(8)), "is compressed"), (patched(plain, directory + 8, UInt16(1)), "is encrypted"),
            (patched(plain, directory + 16, UInt32(7)), "does not match its checksum"),
        ] {
            let zip = try ZipReader(MappedFile(path: folder.file("x.zip", bytes)))
            let entry = try #require(zip.entries["a/one"])
            let error = #expect(throws: ModelFileError.self) { try zip.bytes(of: entry) }
            #expect(error?.description.contains(complaint) == true)
        }
        #expect(throws: ModelFileError.self) {
            try ZipReader(MappedFile(path: folder.file("x.zip", patched(plain, plain.count - 12, UInt16(60000)))))
        }
        #expect(throws: ModelFileError.self) { try ZipReader(MappedFile(path: folder.file("x.zip", []))) }
    }
}
