// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import ModelFiles

@Suite struct JSONValueTests {
    private func parse(_ text: String) throws -> JSONValue { try JSONValue(parsing: Array(text.utf8)) }

    @Test func valuesOfEveryKindAreParsed() throws {
        let value = try parse(#" {"a": [1, -2.5e1, true, false, null, "x"], "b": {}, "c": []} "#)
        #expect(value["a"] == .array([.integer(1), .number(-25), .bool(true), .bool(false), .null, .string("x")]))
        #expect(value["b"] == .object([]))
        #expect(value["c"] == .array([]))
        #expect(value["d"] == nil)
    }

    @Test func escapesAreDecoded() throws {
        #expect(try parse(#""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude42\u0000""#).text == "\"\\/\u{8}\u{C}\n\r\té🙂\0")
    }

    @Test func literalsReadBackAsTheyWere() throws {
        for text in ["", "plain", "q\"b\\s/\n\r\t\u{1}\u{1F}\u{7F}", "é☃🙂", "e\u{301}"] {
            let parsed = try parse(JSONValue.literal(text)).text
            #expect(parsed.map { Array($0.utf8) } == Array(text.utf8))
        }
    }

    @Test func integersBeyond64BitsBecomeNumbers() throws {
        #expect(try parse("9223372036854775807").integer == .max)
        #expect(try parse("9223372036854775808") == .number(9223372036854775808))
        #expect(try parse("-0") == .integer(0))
    }

    @Test(arguments: [
        "", " ", "{", "[", "\"", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "[1,]", "[1 2]", "{1:2}", "{\"a\" 1}", "nul",
        "truE",
        "01", "-", "1.", ".5", "1e", "+1", "1e999", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"a\nb\"",
        "1 2", "{} x", "\u{FEFF}{}", "{\"a\":1,\"a\":2}", "{\"\\u0061\":1,\"a\":2}", "NaN", "'a'",
    ])
    func malformedTextIsRefused(_ text: String) {
        #expect(throws: ModelFileError.self) { try parse(text) }
    }

    @Test func bytesThatAreNotUTF8AreRefused() {
        #expect(throws: ModelFileError.self) { try JSONValue(parsing: [0x22, 0xFF, 0x22]) }
    }

    @Test func deepNestingIsRefusedRatherThanOverflowingTheStack() {
        #expect(throws: ModelFileError.self) { try parse(String(repeating: "[", count: 1_000_000)) }
    }

    @Test func errorsSayWhereAndWhatWasExpected() {
        #expect(throws: ModelFileError(.malformed, "JSON has byte 0x7d at byte 5 where a value was expected")) { try parse("{\"a\":}") }
    }
}
