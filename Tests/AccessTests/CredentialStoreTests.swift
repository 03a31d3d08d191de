// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing
import ZeroMQ

@testable import Access

@Suite struct CredentialStoreTests {
    private let scratch: ScratchFolder
    private let store: CredentialStore

    init() throws {
        scratch = try ScratchFolder()
        store = CredentialStore(environment: ["PSEUDOWORD_CONFIG": scratch.url.appendingPathComponent("config").path])
    }

    private func credentials(_ addresses: String..., server: Int = 1) throws -> Credentials {
        let endpoints = try addresses.map { try Endpoint($0) }
        return Credentials(endpoints: endpoints, serverKey: Sample.key(server), keys: try .generate(), roles: [.worker, .client])
    }

    private func failure(_ work: () throws -> Void) -> AccessError? {
        do {
            try work()
            return nil
        } catch {
            #expect((error as? AccessError)?.isOneLine ?? false, "\(error)")
            return error as? AccessError
        }
    }

    @Test func theEnvironmentSaysWhere() {
        #expect(CredentialStore(environment: ["PSEUDOWORD_CONFIG": "/a", "XDG_CONFIG_HOME": "/b", "HOME": "/c"]).folder.path == "/a")
        let standard = CredentialStore(environment: ["PSEUDOWORD_CONFIG": "", "XDG_CONFIG_HOME": "/b", "HOME": "/c"])
        #expect(standard.folder.path == "/b/pseudoword")
        #expect(CredentialStore(environment: ["HOME": "/c"]).folder.path == "/c/.config/pseudoword")
        #expect(CredentialStore(environment: ["PSEUDOWORD_CREDENTIALS": "/d.json"]).named?.path == "/d.json")
    }

    @Test func savedCredentialsAreFoundByAddressAndByKey() throws {
        #expect(try store.find(try Endpoint("tcp://box:7400")) == nil)
        #expect(try store.standard() == nil)
        let one = try credentials("tcp://Box:7400", "tcp://10.0.0.1:7400")
        let two = try credentials("tcp://[fd00::1]:7400", server: 2)
        try store.save(one)
        try store.save(two)
        #expect(store.file(for: one.endpoints[0]).lastPathComponent == "box_7400.json")
        #expect(try scratch.mode(store.file(for: one.endpoints[0])) == 0o600)
        #expect(try scratch.mode(store.folder.appendingPathComponent("credentials")) == 0o700)
        #expect(try store.find(try Endpoint("tcp://box:7400")) == one)
        #expect(try store.find(try Endpoint("tcp://10.0.0.1:7400")) == one, "by its second address")
        #expect(try store.find(try Endpoint("tcp://10.0.0.1:7401")) == nil)
        #expect(try store.find(try Endpoint("tcp://[fd00::1]:7400")) == two)
        #expect(try store.find(server: Sample.key(2)) == two)
        #expect(try store.find(server: Sample.key(3)) == nil)
        #expect(try store.standard() == one, "the first ones that were saved")
        try store.save(two, makeDefault: true)
        #expect(try store.standard() == two)
        #expect(two.security == .client(server: two.serverKey, keys: two.keys))
    }

    @Test func thisMachinesOwnNamesAreOne() throws {
        let one = try credentials("tcp://127.0.0.1:7400"), six = try credentials("tcp://[::1]:7500", server: 2)
        try store.save(one)
        try store.save(six)
        for name in ["localhost", "LocalHost", "[::1]", "127.0.0.1"] {
            #expect(try store.find(try Endpoint("tcp://\(name):7400")) == one, "\(name)")
            #expect(try store.find(try Endpoint("tcp://\(name):7500")) == six, "\(name)")
            #expect(try store.find(try Endpoint("tcp://\(name):7600")) == nil, "\(name)")
        }
        #expect(try store.find(try Endpoint("tcp://box:7400")) == nil)
        // Two coordinators may share a port: what was named comes first.
        let other = try credentials("tcp://[::1]:7400", server: 3)
        try store.save(other)
        #expect(try store.find(try Endpoint("tcp://[::1]:7400")) == other)
        #expect(try store.find(try Endpoint("tcp://127.0.0.1:7400")) == one)
    }

    @Test func withoutADefaultOnlyOneWillDo() throws {
        let one = try credentials("tcp://a:1")
        try store.save(one, makeDefault: false)
        #expect(try store.standard() == one)
        try store.save(try credentials("tcp://b:1", server: 2), makeDefault: false)
        let error = try #require(failure { _ = try store.standard() })
        #expect(error.code == .ambiguous)
        #expect(error.description.contains("a_1, b_1"))
        try scratch.write("../../etc/passwd\n", to: store.folder.appendingPathComponent("credentials/default"))
        #expect(failure { _ = try store.standard() }?.code == .invalid, "a default stays in its folder")
    }

    @Test func oneFileCanBeNamed() throws {
        let file = scratch.url.appendingPathComponent("mine.json")
        let named = CredentialStore(environment: ["PSEUDOWORD_CREDENTIALS": file.path, "PSEUDOWORD_CONFIG": store.folder.path])
        #expect(failure { _ = try named.standard() }?.code == .notFound)
        let one = try credentials("tcp://a:1")
        try one.write(to: file)
        #expect(try named.standard() == one)
        #expect(try named.find(try Endpoint("tcp://elsewhere:9")) == one)
    }

    @Test func theFileIsReadableByOtherPrograms() throws {
        let one = try credentials("tcp://a:1", "tcp://b:2")
        let object = try #require(try JSONSerialization.jsonObject(with: one.json) as? [String: Any])
        #expect(object["version"] as? Int == 1)
        #expect(object["endpoints"] as? [String] == ["tcp://a:1", "tcp://b:2"])
        #expect(object["server_key"] as? String == one.serverKey.z85)
        #expect(object["public_key"] as? String == one.keys.publicKey.z85)
        #expect(object["secret_key"] as? String == one.keys.secretKey.z85)
        #expect(object["roles"] as? [String] == ["client", "worker"])
        #expect(try Credentials(json: one.json) == one)
    }

    @Test func secretsThatOthersCanReadAreNotUsed() throws {
        let one = try credentials("tcp://a:1")
        try store.save(one)
        let file = store.file(for: one.endpoints[0])
        try scratch.setMode(0o644, file)
        #expect(failure { _ = try store.find(one.endpoints[0]) }?.code == .notPrivate)
        #expect(failure { _ = try store.standard() }?.code == .notPrivate)
        try scratch.setMode(0o600, file)
        try scratch.setMode(0o755, file.deletingLastPathComponent())
        #expect(failure { _ = try store.find(one.endpoints[0]) }?.code == .notPrivate)
        #expect(failure { try store.save(one) }?.code == .notPrivate)
    }

    @Test func aPipeOrFolderInTheirPlaceDoesNotHoldAnyoneUp() throws {
        let one = try credentials("tcp://a:1")
        try store.save(one)
        let file = store.file(for: one.endpoints[0])
        try FileManager.default.removeItem(at: file)
        #expect(mkfifo(file.path, 0o600) == 0)
        #expect(failure { _ = try store.find(one.endpoints[0]) }?.code == .invalid)
        try FileManager.default.removeItem(at: file)
        try FileManager.default.createDirectory(at: file, withIntermediateDirectories: false)
        #expect(failure { _ = try store.find(one.endpoints[0]) }?.code == .invalid)
    }

    @Test func hostileFilesGetOneLine() throws {
        let one = try credentials("tcp://a:1")
        try store.save(one)
        let file = store.file(for: one.endpoints[0])
        let good = String(decoding: one.json, as: UTF8.self)
        let bad = [
            "", "{", "[]", "null", "7", "\u{0}", good.replacing("\"version\" : 1", with: "\"version\" : 2"),
            good.replacing("tcp://a:1", with: "http://a:1\\n\\u001b[2J"), good.replacing(one.keys.publicKey.z85, with: Sample.key(9).z85),
            good.replacing("\"worker\"", with: "\"root\""), good.replacing("\"worker\"", with: "\"client\""),
            good.replacing(one.serverKey.z85, with: "short"), String(repeating: "{\"version\":", count: 5000),
            String(repeating: " ", count: 70_000), good.replacing("[\n    \"tcp://a:1\"\n  ]", with: "[]"),
        ]
        for text in bad {
            try scratch.write(text, to: file)
            let error = failure { _ = try store.find(one.endpoints[0]) }
            #expect(error?.code == .invalid, "\(text.prefix(60))")
            #expect(error?.description.hasPrefix(file.path) ?? false)
            #expect(!(error?.description.contains(one.keys.secretKey.z85) ?? false))
        }
        var generator = Scrambler(state: 23)
        for _ in 0..<3000 {
            var bytes = Array(good.utf8)
            for _ in 0..<Int.random(in: 1...5, using: &generator) {
                bytes[Int.random(in: 0..<bytes.count, using: &generator)] = .random(in: .min ... .max, using: &generator)
            }
            _ = failure { _ = try Credentials(json: Data(bytes)) }
        }
        let other = try credentials("tcp://b:1", server: 2)
        try store.save(other)
        #expect(try store.find(try Endpoint("tcp://b:1")) == other, "somebody else's broken file does not matter")
    }

    @Test func aBoxJoinsUnderTheSameKeyHoweverOftenItIsKilled() throws {
        let token = try Sample.token("tcp://10.0.0.1:7400", "tcp://box:7400")
        let first = try store.credentials(for: token)
        #expect(first.serverKey == token.serverKey)
        #expect(first.keys != token.keys)
        #expect(first.roles == [.worker])
        #expect(try store.credentials(for: token) == first)
        let later = try Sample.token("tcp://10.0.0.2:7400", roles: [.client])
        let second = try store.credentials(for: later)
        #expect(second.keys == first.keys, "the same coordinator under another address")
        #expect(second.endpoints.map(\.description) == ["tcp://10.0.0.2:7400", "tcp://10.0.0.1:7400", "tcp://box:7400"])
        #expect(second.roles == [.client, .worker])
    }
}
