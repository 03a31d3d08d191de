// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing
import ZeroMQ

@testable import Access

@Suite struct KeyStoreTests {
    private let scratch: ScratchFolder
    private let home: URL
    private var keys: URL { home.appendingPathComponent("keys") }

    init() throws {
        scratch = try ScratchFolder()
        home = scratch.url.appendingPathComponent("home")
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

    @Test func keysAreMadeOnceAndForTheirOwnerAlone() throws {
        let store = try KeyStore(home: home)
        let pair = try store.coordinatorKeys()
        #expect(try KeyStore(home: home).coordinatorKeys() == pair)
        try store.update { list throws(AccessError) in try list.allow(Sample.key(1), roles: [.worker], name: "a", at: 1) }
        _ = try store.localCredentials(endpoints: [try Endpoint("tcp://127.0.0.1:7400")], at: 1)
        #expect(try scratch.mode(keys) == 0o700)
        let files = try FileManager.default.contentsOfDirectory(atPath: keys.path).sorted()
        #expect(files == ["allow-list", "coordinator.json", "local.json", "lock"], "nothing is left over")
        for file in files { #expect(try scratch.mode(keys.appendingPathComponent(file)) == 0o600) }
    }

    @Test(arguments: [0o750, 0o705, 0o710, 0o777])
    func aFolderThatOthersCanEnterIsRefused(mode: Int) throws {
        _ = try KeyStore(home: home)
        try scratch.setMode(mode, keys)
        let error = try #require(failure { _ = try KeyStore(home: home) })
        #expect(error.code == .notPrivate)
        #expect(error.description.hasSuffix("chmod 700 \(keys.path)"))
        #expect(try #require(failure { _ = try KeyStore(existingIn: home) }).code == .notPrivate)
    }

    @Test func filesThatOthersCanReadAreRefused() throws {
        let store = try KeyStore(home: home)
        _ = try store.coordinatorKeys()
        try store.update { _ throws(AccessError) in }
        _ = try store.localCredentials(endpoints: [try Endpoint("tcp://127.0.0.1:7400")], at: 1)
        for (name, use) in [
            ("coordinator.json", { _ = try store.coordinatorKeys() }), ("allow-list", { _ = try store.allowList() }),
            ("local.json", { _ = try Credentials.read(store.localFile) }),
        ] {
            let file = keys.appendingPathComponent(name)
            try scratch.setMode(0o640, file)
            let error = try #require(failure(use))
            #expect(error.code == .notPrivate)
            #expect(error.description.hasSuffix("chmod 600 \(file.path)"))
            try scratch.setMode(0o600, file)
            #expect(failure(use) == nil)
        }
    }

    @Test func aFileInTheFoldersPlaceIsRefused() throws {
        try FileManager.default.createDirectory(at: home, withIntermediateDirectories: true)
        try scratch.write("x", to: keys)
        #expect(try #require(failure { _ = try KeyStore(home: home) }).description.contains("is not a folder"))
        try FileManager.default.removeItem(at: keys)
        let elsewhere = scratch.url.appendingPathComponent("elsewhere")
        try FileManager.default.createDirectory(at: elsewhere, withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(at: keys, withDestinationURL: elsewhere)
        #expect(failure { _ = try KeyStore(home: home) }?.code == .notPrivate, "nor a link to somewhere")
    }

    @Test func aHomeWithoutKeysIsSaid() throws {
        let error = try #require(failure { _ = try KeyStore(existingIn: home) })
        #expect(error.code == .notFound)
        #expect(error.description == "home \(home.path): holds no keys yet; the coordinator makes them when it starts")
    }

    @Test(arguments: [
        "", "{}", "null", "[]", #"{"version":2,"public_key":"a","secret_key":"b"}"#, #"{"version":1,"public_key":"a","secret_key":"b"}"#,
        String(repeating: "[", count: 20_000), String(repeating: "x", count: 100_000), "\u{0}\u{1B}",
        #"{"version":1,"public_key":"Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID","secret_key":"JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"}"#,
    ])
    func aBrokenKeyFileIsSaidAndKept(text: String) throws {
        let store = try KeyStore(home: home)
        let file = keys.appendingPathComponent("coordinator.json")
        try scratch.write(text, to: file)
        let error = try #require(failure { _ = try store.coordinatorKeys() })
        #expect(error.code == .invalid)
        #expect(error.description.hasPrefix(file.path))
        #expect(try String(contentsOf: file, encoding: .utf8) == text)
    }

    @Test func aLostKeyIsNotReplacedInSilence() throws {
        let store = try KeyStore(home: home)
        _ = try store.makeToken(roles: [.worker], endpoints: [try Endpoint("tcp://10.0.0.1:7400")], at: 1)
        try FileManager.default.removeItem(at: keys.appendingPathComponent("coordinator.json"))
        let error = try #require(failure { _ = try store.coordinatorKeys() })
        #expect(error.code == .notFound)
        #expect(error.description.contains("bring it back from a backup"))
    }

    @Test func changesAreOnDiskAndFailuresAreNot() throws {
        let store = try KeyStore(home: home)
        #expect(try store.allowList().entries.isEmpty)
        let (entry, list) = try store.update { list throws(AccessError) in
            try list.allow(Sample.key(1), roles: [.worker], name: "a", at: 1)
        }
        #expect(entry.name == "a")
        #expect(try KeyStore(home: home).allowList() == list)
        let before = try Data(contentsOf: store.listFile)
        #expect(
            failure {
                try store.update { list throws(AccessError) in
                    try list.revoke("a")
                    try list.revoke("b")
                }
            }?.code == .notFound)
        #expect(try Data(contentsOf: store.listFile) == before)
    }

    @Test func manyProcessesMayChangeTheListAtOnce() async throws {
        let store = try KeyStore(home: home)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<40 {
                group.addTask {
                    try store.update { list throws(AccessError) in
                        try list.allow(Sample.key(number), roles: [.worker], name: "box-\(number)", at: 1)
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try store.allowList().entries.count == 40)
    }

    @Test func aTokenIsOnTheListWhenItExists() throws {
        let store = try KeyStore(home: home)
        let endpoint = try Endpoint("tcp://10.0.0.1:7400")
        let tokens = try (0..<3).map { _ in try store.makeToken(roles: [.worker], endpoints: [endpoint], at: 5) }
        let list = try store.allowList()
        #expect(list.entries.map(\.name) == ["token", "token-2", "token-3"])
        for token in tokens {
            #expect(list.permits(token.keys.publicKey) == [])
            #expect(token.serverKey == (try store.coordinatorKeys().publicKey))
            #expect(try JoinToken(text: token.text) == token)
        }
        #expect(failure { _ = try store.makeToken(roles: [.worker], endpoints: [], at: 5) }?.code == .invalid)
        #expect(try store.allowList() == list)
    }

    @Test func theBoxItselfIsLetIn() throws {
        let store = try KeyStore(home: home)
        let endpoint = try Endpoint("tcp://127.0.0.1:7400")
        let local = try store.localCredentials(endpoints: [endpoint], at: 1)
        #expect(local.roles == [.admin, .worker])
        #expect(try store.allowList().permits(local.keys.publicKey) == [.admin, .worker])
        #expect(try Credentials.read(store.localFile) == local)
        #expect(try store.localCredentials(endpoints: [endpoint], at: 2) == local)
        let moved = try store.localCredentials(endpoints: [try Endpoint("tcp://127.0.0.1:7500")], at: 3)
        #expect(moved.keys == local.keys)
        #expect(try Credentials.read(store.localFile) == moved)
        try store.update { list throws(AccessError) in try list.revoke("local") }
        let renewed = try store.localCredentials(endpoints: [endpoint], at: 4)
        #expect(renewed.keys != local.keys, "a revoked key stays revoked")
        #expect(try store.allowList().permits(local.keys.publicKey) == nil)
    }

    @Test func aChangeByOthersIsNoticed() throws {
        let (store, table) = (try KeyStore(home: home), AccessTable())
        try store.update { list throws(AccessError) in try list.allow(Sample.key(1), roles: [.worker], name: "a", at: 1) }
        var reloader = try AccessReloader(store, table)
        #expect(table.permits(Sample.key(1)) == [.worker])
        #expect(try reloader.reloadIfChanged() == nil)
        try KeyStore(home: home).update { list throws(AccessError) in try list.revoke("a") }
        #expect(try reloader.reloadIfChanged()?.lost == [Sample.key(1)])
        #expect(table.permits(Sample.key(1)) == nil)

        // Edited by hand, and wrong: it is said once, and what counted goes on to count.
        try store.update { list throws(AccessError) in try list.allow(Sample.key(2), roles: [.client], name: "b", at: 1) }
        _ = try reloader.reloadIfChanged()
        try scratch.write("pseudoword allow-list 1\nnonsense\n", to: store.listFile)
        let error = try #require(failure { _ = try reloader.reloadIfChanged() })
        #expect(error.description == "\(store.listFile.path): line 2 begins with \"nonsense\" instead of member, token or used")
        #expect(try reloader.reloadIfChanged() == nil)
        #expect(table.permits(Sample.key(2)) == [.client])
        try FileManager.default.removeItem(at: store.listFile)
        #expect(failure { _ = try reloader.reloadIfChanged() }?.code == .notFound)
        #expect(try reloader.reloadIfChanged() == nil)
        #expect(table.permits(Sample.key(2)) == [.client])
        try scratch.write("pseudoword allow-list 1\n", to: store.listFile)
        #expect(try reloader.reloadIfChanged()?.lost == [Sample.key(2)])
    }

    @Test func aReaderSeesWholeFilesOnly() async throws {
        let store = try KeyStore(home: home)
        try store.update { list throws(AccessError) in
            for number in 0..<50 { try list.allow(Sample.key(number), roles: [.worker], name: "box-\(number)", at: 1) }
        }
        let writer = Task.detached {
            for round in 0..<40 {
                try store.update { list throws(AccessError) in
                    for number in 0..<50 { try list.allow(Sample.key(number), roles: [.worker], name: "box-\(round)-\(number)", at: 1) }
                }
            }
        }
        var seen = 0
        while seen < 200 {
            let list = try store.allowList()
            #expect(list.entries.count == 50)
            #expect(Set(list.entries.map { $0.name.split(separator: "-").dropLast().joined() }).count == 1)
            seen += 1
        }
        try await writer.value
    }
}
