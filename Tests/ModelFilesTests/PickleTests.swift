// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import ModelFiles

@Suite struct PickleTests {
    /// A pickle written as Latin-1 text, one character a byte.
    private func pickle(_ text: String) throws -> Pickle {
        try Pickle(parsing: text.unicodeScalars.map { UInt8($0.value) })
    }

    @Test func numbersOfEveryWidthAreRead() throws {
        let value = try pickle(
            "\u{80}\u{2}(K\u{FF}M\u{9}\u{1}J\u{FE}\u{FF}\u{FF}\u{FF}\u{8A}\u{2}\u{0}\u{80}\u{8A}\u{0}G\u{3F}\u{F8}\0\0\0\0\0\0t.")
        let elements = try #require(value.elements(value.root))
        #expect(elements.prefix(5).map { value.integer($0) } == [255, 265, -2, -32768, 0])
        guard case .number(1.5) = value[elements[5]] else {
            Issue.record("not 1.5")
            return
        }
    }

    @Test func integersBeyond64BitsStayBytes() throws {
        let value = try pickle("\u{8A}\u{9}\u{1}\u{2}\u{3}\u{4}\u{5}\u{6}\u{7}\u{8}\u{9}.")
        guard case .bigInteger([1, 2, 3, 4, 5, 6, 7, 8, 9]) = value[value.root] else {
            Issue.record("not nine bytes")
            return
        }
    }

    @Test func valuesRememberedBeforeTheyAreFilledAreFilledWhereRecalled() throws {
        // d = {}; t = (d, d); d["a"] = 1
        let value = try pickle("\u{80}\u{2}}q\u{0}h\u{0}h\u{0}\u{8C}\u{1}aK\u{1}s0\u{86}.")
        let elements = try #require(value.elements(value.root))
        #expect(elements.count == 2 && elements[0] == elements[1])
        #expect(value.value("a", in: elements[0]).flatMap { value.integer($0) } == 1)
    }

    @Test func callsAndGlobalsStayRecords() throws {
        let value = try pickle("cos\nsystem\n\u{8C}\u{9}echo pwned\u{85}R.".replacing("\u{9}echo pwned", with: "\u{A}echo pwned"))
        guard case .object(let object) = value[value.root] else {
            Issue.record("not a record")
            return
        }
        #expect(value.symbol(object.callable) == "os.system")
        #expect(value.elements(object.arguments)?.compactMap { value.text($0) } == ["echo pwned"])
    }

    @Test func whatFollowsThePickleIsLeft() throws {
        #expect(try pickle("K\u{1}.rest").byteCount == 3)
    }

    @Test(arguments: [
        "", ".", "K", "K\u{1}", "(", "(t", "0.", "t.", "\u{86}.", "K\u{1}\u{86}.", "(K\u{1}\u{86}.", "R.", "K\u{1}R.", "s.", "}s.",
        "}K\u{1}s.",
        "}(K\u{1}u.", "K\u{1}K\u{1}a.", "]K\u{1}b.", "}K\u{1}a.", "h\u{0}.", "j\u{FF}\u{FF}\u{FF}\u{FF}.", "q\u{0}.", "u.", "Q.", "\u{93}.",
        "K\u{1}K\u{1}\u{93}.", "X\u{FF}\u{FF}\u{FF}\u{FF}a.", "\u{8D}\u{FF}\u{FF}\u{FF}\u{FF}\u{FF}\u{FF}\u{FF}\u{FF}.",
        "X\u{1}\0\0\0\u{FF}.",
        "cos\nsystem.", "\u{8A}\u{FF}.", "\u{80}\u{9}N.", "\u{95}\0.", "I1\n.", "i.", "o.", "P1\n.", "\u{82}\u{1}.", "2.", "(K\u{1}0.0.",
    ])
    func damagedPicklesAreRefused(_ text: String) {
        #expect(throws: ModelFileError.self) { try pickle(text) }
    }

    @Test func selfReferenceAndDeepNestingAreHarmless() throws {
        _ = try pickle("]q\u{0}h\u{0}a.")
        _ = try pickle("]q\u{0}" + String(repeating: "]", count: 100_000) + String(repeating: "a", count: 100_000) + ".")
    }

    @Test func valuesThatDoubleTakeNoMoreThanTheirBytes() throws {
        // Sixty times t = (t, t): 2^60 leaves if it were copied.
        let value = try pickle("N" + String(repeating: "q\u{0}h\u{0}\u{86}", count: 60) + ".")
        #expect(value.nodes.count == 61)
    }
}
