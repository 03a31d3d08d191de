// SPDX-License-Identifier: Apache-2.0
import Foundation
import ProcessTesting
import Testing

/// The exit codes that scripts rely on.
enum Status {
    static let done: Int32 = 0, failed: Int32 = 1, usage: Int32 = 2, unreachable: Int32 = 3, refused: Int32 = 4, notFound: Int32 = 5
    static let degraded: Int32 = 6, interrupted: Int32 = 130
}

/// Holds a failure against the rule: the right code, nothing on standard output, and one clear line on standard error.
func expectOneLine(
    _ outcome: Outcome, _ status: Int32, _ parts: String..., sourceLocation: SourceLocation = #_sourceLocation
) {
    expectOneLine(outcome, status, parts, sourceLocation: sourceLocation)
}

func expectOneLine(_ outcome: Outcome, _ status: Int32, _ parts: [String], sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(outcome.status == status, "\(outcome)", sourceLocation: sourceLocation)
    #expect(outcome.output.isEmpty, "\(outcome)", sourceLocation: sourceLocation)
    #expect(outcome.errorLines.count == 1 && outcome.errors.hasSuffix("\n"), "\(outcome)", sourceLocation: sourceLocation)
    #expect(outcome.errors.hasPrefix("pseudoword: "), "\(outcome)", sourceLocation: sourceLocation)
    #expect(outcome.errors.utf8.count <= 700, "too long to be read: \(outcome)", sourceLocation: sourceLocation)
    for part in parts { #expect(outcome.errors.contains(part), "no \"\(part)\" in \(outcome)", sourceLocation: sourceLocation) }
    // What a program says to itself, not to people.
    for noise in ["Error Domain", "NSCocoa", "Optional(", "UserInfo", "operation couldn", "Swift."] {
        #expect(!outcome.errors.contains(noise), "\(outcome)", sourceLocation: sourceLocation)
    }
}

/// Holds a wrong command line against the rule: code 2, nothing on standard output, and what is wrong first.
func expectUsage(_ outcome: Outcome, _ parts: String..., sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(outcome.status == Status.usage, "\(outcome)", sourceLocation: sourceLocation)
    #expect(outcome.output.isEmpty, "\(outcome)", sourceLocation: sourceLocation)
    #expect(outcome.errors.hasPrefix("Error: "), "\(outcome)", sourceLocation: sourceLocation)
    #expect(outcome.errors.contains("Usage: pseudoword"), "\(outcome)", sourceLocation: sourceLocation)
    for part in parts { #expect(outcome.errors.contains(part), "no \"\(part)\" in \(outcome)", sourceLocation: sourceLocation) }
}

/// Random bytes that are the same in every run.
func rubbish(_ count: Int) -> [UInt8] {
    var state: UInt64 = 0x9E37_79B9
    return (0..<count).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return UInt8(truncatingIfNeeded: state >> 56)
    }
}
