// SPDX-License-Identifier: Apache-2.0
import Foundation
import ZeroMQ

@testable import Access

/// Numbers from a seed, the same every time.
struct Scrambler: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

enum Sample {
    /// The key of a number: any 32 bytes will do for one.
    static func key(_ number: Int) -> CurvePublicKey {
        var generator = Scrambler(state: UInt64(number))
        let bytes = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
        guard let key = CurvePublicKey(bytes: bytes) else { preconditionFailure("32 bytes are a key") }
        return key
    }

    static let now: Int64 = 1_767_225_600_123

    static func token(_ addresses: String..., roles: Set<Role> = [.worker]) throws -> JoinToken {
        try JoinToken(
            roles: roles, endpoints: (addresses.isEmpty ? ["tcp://10.0.0.1:7400"] : addresses).map { try Endpoint($0) }, serverKey: key(1),
            keys: .generate())
    }
}

/// A folder of its own that goes away with the test.
final class ScratchFolder {
    let url: URL

    init() throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("access-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    func mode(_ file: URL) throws -> Int {
        (try FileManager.default.attributesOfItem(atPath: file.path)[.posixPermissions] as? Int ?? -1) & 0o777
    }

    func setMode(_ mode: Int, _ file: URL) throws {
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file.path)
    }

    /// A private file with these bytes.
    func write(_ text: String, to file: URL) throws {
        try Data(text.utf8).write(to: file)
        try setMode(0o600, file)
    }
}

extension AccessError {
    /// Whether it is fit to be shown to somebody at a terminal.
    var isOneLine: Bool {
        description.utf8.count < 400 && !description.isEmpty
            && description.unicodeScalars.allSatisfy { $0.value >= 32 && $0.value != 127 }
    }
}
