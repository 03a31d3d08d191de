// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import HDF5

@Suite struct HDF5ImageTests {
    @Test func everythingWrittenIsReadBack() throws {
        let long = String(repeating: "é❤", count: 40_000)
        let column = (0..<1_500).map { Double($0) / 3 }
        let image = try HDF5Image.make { root in
            try root.attribute("text", text: "teal-hé❤rt")
            try root.attribute("empty", text: "")
            try root.attribute("integer", integer: .min)
            try root.group("group") { group in
                try group.integer("integer", .max)
                try group.text("short", "")
                try group.text("long", long)
                try group.column("column", column)
                try group.column("empty", [Int64]())
                try group.array("array", [1, 2, 3, 4, 5, 6] as [Float], shape: [2, 3])
                try group.stack("stack", (0..<24).map(Int64.init), shape: [4, 2, 3])
                try group.stack("emptyStack", [Float](), shape: [0, 2, 3])
            }
        }
        try HDF5Image.read(image) { root in
            #expect(try root.attribute(text: "text") == "teal-hé❤rt")
            #expect(try root.attribute(text: "empty") == "")
            #expect(try root.attribute(integer: "integer") == .min)
            #expect(try root.contains("group"))
            #expect(try !root.contains("other"))
            try root.group("group") { group in
                #expect(try group.integer("integer") == .max)
                #expect(try group.text("short", limit: 10) == "")
                #expect(try group.text("long", limit: 1 << 20) == long)
                #expect(try group.column("column") == column)
                #expect(try group.column("empty") == [Int64]())
                let array = try group.array("array", of: Float.self, rank: 2)
                #expect(array.values == [1, 2, 3, 4, 5, 6] && array.shape == [2, 3])
                let stack = try group.array("stack", of: Int64.self, rank: 3)
                #expect(stack.values == (0..<24).map(Int64.init) && stack.shape == [4, 2, 3])
                let empty = try group.array("emptyStack", of: Float.self, rank: 3)
                #expect(empty.values.isEmpty && empty.shape == [0, 2, 3])
            }
        }
    }

    @Test func floatsKeepEveryBit() throws {
        let patterns: [UInt32] = [0, 0x8000_0000, 1, 0x7F80_0000, 0xFF80_0000, 0x7FC1_2345, 0x7F80_0001, 0x3F80_0001]
        let image = try HDF5Image.make { try $0.column("bits", patterns.map(Float.init(bitPattern:))) }
        let read: [Float] = try HDF5Image.read(image) { try $0.column("bits") }
        #expect(read.map(\.bitPattern) == patterns)
    }

    @Test func equalContentsMakeEqualBytes() throws {
        func image() throws -> [UInt8] {
            try HDF5Image.make { root in
                try root.attribute("text", text: "abc")
                try root.group("group") { try $0.column("column", (0..<2_000).map(Double.init)) }
                try root.text("text", String(repeating: "x", count: 100_000))
            }
        }
        let first = try image()
        for _ in 0..<20 { #expect(try image() == first) }
    }

    @Test func anErrorInTheClosureComesOutAndLeavesTheLibraryUsable() throws {
        struct Stop: Error {}
        #expect(throws: Stop.self) {
            try HDF5Image.make { root in try root.group("a") { _ in throw Stop() } }
        }
        #expect(try HDF5Image.make { try $0.integer("a", 1) }.isEmpty == false)
    }

    @Test func threadsTakeTurns() async throws {
        try await withThrowingTaskGroup(of: [Int64].self) { group in
            for task in 0..<16 {
                group.addTask {
                    let image = try HDF5Image.make { try $0.column("numbers", (0..<1_000).map { Int64($0 * task) }) }
                    return try HDF5Image.read(image) { try $0.column("numbers") }
                }
            }
            for try await numbers in group { #expect(numbers.count == 1_000 && numbers[0] == 0) }
        }
    }

    @Test func textThatCannotBeStoredIsRefused() {
        #expect(code { try HDF5Image.make { try $0.attribute("a", text: "a\0b") } } == .unexpected)
        #expect(code { try HDF5Image.make { try $0.text("a", "\0") } } == .unexpected)
        #expect(code { try HDF5Image.make { try $0.attribute("a", text: String(repeating: "x", count: 8_193)) } } == .tooLarge)
    }

    @Test func aNameUsedTwiceIsRefusedWithHDF5sReason() {
        let error = #expect(throws: HDF5Error.self) {
            try HDF5Image.make { root in
                try root.integer("a", 1)
                try root.integer("a", 2)
            }
        }
        #expect(error?.place == "/a")
        #expect(error?.message.contains("name already exists") == true, "\(String(describing: error))")
    }

    @Test func otherBytesAreNoHDF5() {
        #expect(code { try HDF5Image.read([]) { _ in } } == .notHDF5)
        #expect(code { try HDF5Image.read(Array("PK\u{3}\u{4} some zip".utf8)) { _ in } } == .notHDF5)
        #expect(code { try HDF5Image.read([0x89, 0x48, 0x44, 0x46, 0x0D, 0x0A, 0x1A, 0x0A]) { _ in } } == .notHDF5)
    }

    @Test func whatIsMissingOrOfAnotherKindIsNamed() throws {
        let image = try HDF5Image.make { root in
            try root.attribute("integer", integer: 1)
            try root.attribute("text", text: "a")
            try root.group("group") { _ in }
            try root.column("floats", [1, 2] as [Float])
            try root.text("words", "abc")
        }
        func error(_ body: (borrowing GroupReader) throws -> Void) -> String {
            do {
                try HDF5Image.read(image, body)
                return "no error"
            } catch {
                return "\(error)"
            }
        }
        #expect(error { _ = try $0.column("no", of: Float.self) } == "/no: this dataset is missing")
        #expect(error { try $0.group("no") { _ in } } == "/no: this group is missing")
        #expect(error { _ = try $0.attribute(text: "no") } == "/@no: this attribute is missing")
        #expect(error { _ = try $0.attribute(text: "integer") } == "/@integer: expected UTF-8 text of fixed length, null-padded")
        #expect(error { _ = try $0.attribute(integer: "text") } == "/@text: expected one 64-bit little-endian integer")
        #expect(error { _ = try $0.column("group", of: Float.self) } == "/group: expected a dataset, found something else")
        #expect(error { try $0.group("floats") { _ in } } == "/floats: expected a group, found something else")
        #expect(
            error { _ = try $0.column("floats", of: Double.self) } == "/floats: expected 64-bit little-endian floats, found another type")
        #expect(error { _ = try $0.array("floats", of: Float.self, rank: 2) } == "/floats: expected 2 dimensions, found 1 ([2])")
        #expect(error { _ = try $0.integer("floats") } == "/floats: expected one value, found an array")
        #expect(error { _ = try $0.text("words", limit: 2) } == "/words: 3 bytes of text, expected at most 2")
        #expect(error { _ = try $0.integer("words") } == "/words: expected 64-bit little-endian integers, found another type")
    }

    @Test func theChecksumIsTheOneThatLibrariesMake() {
        // The superblock of an empty file that HDF5 2.0 closed itself: 44 bytes, then their checksum.
        let superblock: [UInt32] = [
            0x4644_4889, 0x0A1A_0A0D, 0x0008_0803, 0x0000_0000, 0x0000_0000, 0xFFFF_FFFF, 0xFFFF_FFFF, 0x0000_00B3, 0x0000_0000,
            0x0000_0030, 0x0000_0000, 0x8B56_5595,
        ]
        #expect(Superblock.lookup3(Array(superblock.dropLast())) == superblock.last)
        #expect(Superblock.lookup3([]) == 0xDEAD_BEEF)
    }

    private func code<Result>(_ body: () throws -> Result) -> HDF5Error.Code? {
        do {
            _ = try body()
            return nil
        } catch {
            return (error as? HDF5Error)?.code
        }
    }
}
