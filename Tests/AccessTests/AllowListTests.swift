// SPDX-License-Identifier: Apache-2.0
import Testing
import ZeroMQ

@testable import Access

@Suite struct AllowListTests {
    private let one = Sample.key(1)
    private let two = Sample.key(2)
    private let token = Sample.key(3)

    private func code(_ work: () throws -> Void) -> AccessError.Code? {
        do {
            try work()
            return nil
        } catch let error as AccessError {
            #expect(error.isOneLine)
            return error.code
        } catch {
            return .system
        }
    }

    @Test func onlyKeysOnTheListAreLetIn() throws {
        var list = AllowList()
        #expect(list.permits(one) == nil)
        try list.allow(one, roles: [.worker], name: "box-1", at: Sample.now)
        try list.allow(two, roles: [.admin], name: "me", at: Sample.now)
        #expect(list.permits(one) == [.worker])
        #expect(list.permits(two) == [.admin])
        #expect(list.permits(token) == nil)
        try list.revoke("box-1")
        #expect(list.permits(one) == nil)
        #expect(list.standing(of: one) == .unknown)
        #expect(list.permits(two) == [.admin])
    }

    @Test func rolesAreSets() throws {
        #expect(Set<Role>([.admin]).allows(.client))
        #expect(Set<Role>([.admin]).allows(.admin))
        #expect(!Set<Role>([.admin]).allows(.worker))
        #expect(!Set<Role>([.client]).allows(.admin))
        #expect(!Set<Role>([.worker]).allows(.client))
        #expect(!Set<Role>().allows(.worker))
        #expect(try Set(roles: "worker,admin") == [.admin, .worker])
        #expect(try Set(roles: "worker+admin").text == "admin+worker")
        for text in ["", "+", "worker+", "Worker", "worker+worker", "root", "worker client", "admin\n", "\u{1B}[2J"] {
            let error = try #require(throws: AccessError.self) { try Set<Role>(roles: text) }
            #expect(error.isOneLine)
        }
    }

    @Test func allowingAgainChangesRolesAndNameAndKeepsTheDay() throws {
        var list = AllowList()
        try list.allow(one, roles: [.worker], name: "box-1", at: 5)
        let entry = try list.allow(one, roles: [.client], name: "box-one", at: 9)
        #expect(entry == .init(key: one, roles: [.client], name: "box-one", added: 5, kind: .member))
        #expect(list.entries == [entry])
    }

    @Test func whatMakesNoSenseIsRefusedAndChangesNothing() throws {
        var list = AllowList()
        try list.issueToken(token, roles: [.worker], name: "token-1", at: 1)
        let before = list
        #expect(code { try list.allow(one, roles: [], name: "x", at: 1) } == .invalid)
        #expect(code { try list.allow(token, roles: [.admin], name: "x", at: 1) } == .exists)
        #expect(code { try list.issueToken(token, roles: [.worker], name: "x", at: 1) } == .exists)
        #expect(code { try list.issueToken(two, roles: [], name: "x", at: 1) } == .invalid)
        for name in ["", "a b", "-x", "a\n", "#", "é", String(repeating: "x", count: 65)] {
            #expect(code { try list.allow(one, roles: [.worker], name: name, at: 1) } == .invalid)
        }
        #expect(list == before)
    }

    @Test func aTokenIsGoodForOneThingOnce() throws {
        var list = AllowList()
        try list.issueToken(token, roles: [.worker], name: "token-1", at: 1)
        #expect(list.permits(token) == [], "it may connect, and has no role")
        let joined = AllowList.Entry(key: one, roles: [.worker], name: "box-1", added: 7, kind: .member)
        #expect(try list.join(token: token, key: one, name: "box-1", at: 7) == .joined(joined))
        #expect(list.permits(one) == [.worker])
        #expect(list.permits(token) == nil, "burnt")
        guard case .usedToken(let used) = list.standing(of: token) else {
            Issue.record("a used token is remembered")
            return
        }
        #expect(used.kind == .oneTime(usedBy: one))
    }

    @Test func aLostAnswerIsGivenAgainAndAReplayIsRefused() throws {
        var list = AllowList()
        try list.issueToken(token, roles: [.worker], name: "token-1", at: 1)
        guard case .joined(let entry) = try list.join(token: token, key: one, name: "box-1", at: 7) else {
            Issue.record("did not join")
            return
        }
        let before = list
        #expect(try list.join(token: token, key: one, name: "other", at: 99) == .again(entry))
        #expect(code { _ = try list.join(token: token, key: two, name: "thief", at: 8) } == .replayed)
        #expect(list == before)
        try list.revoke("box-1")
        #expect(code { _ = try list.join(token: token, key: one, name: "box-1", at: 8) } == .revoked, "a token does not undo a revocation")
        #expect(list.permits(one) == nil)
    }

    @Test func joiningNeedsAToken() throws {
        var list = AllowList()
        try list.allow(one, roles: [.admin], name: "me", at: 1)
        #expect(code { _ = try list.join(token: one, key: two, name: "x", at: 2) } == .notFound)
        #expect(code { _ = try list.join(token: token, key: two, name: "x", at: 2) } == .notFound)
        try list.issueToken(token, roles: [.worker], name: "token-1", at: 1)
        #expect(code { _ = try list.join(token: token, key: token, name: "x", at: 2) } == .exists)
        try list.issueToken(Sample.key(4), roles: [.admin], name: "token-2", at: 1)
        #expect(code { _ = try list.join(token: token, key: Sample.key(4), name: "x", at: 2) } == .exists)
        #expect(list.permits(token) == [], "a try that failed does not burn it")
    }

    @Test func aMemberThatJoinsAgainGainsRolesAndKeepsItsName() throws {
        var list = AllowList()
        try list.allow(one, roles: [.client], name: "me", at: 1)
        try list.issueToken(token, roles: [.worker], name: "token-1", at: 1)
        let entry = AllowList.Entry(key: one, roles: [.client, .worker], name: "me", added: 1, kind: .member)
        #expect(try list.join(token: token, key: one, name: "you", at: 2) == .joined(entry))
    }

    @Test func strangersNamesAreCleanedAndNumbered() throws {
        var list = AllowList()
        var names: [String] = []
        for (number, name) in ["box", "box", "box", "a b\n\u{1B}", "", "---", String(repeating: "y", count: 500)].enumerated() {
            let key = Sample.key(100 + number)
            try list.issueToken(key, roles: [.worker], name: "t\(number)", at: 1)
            guard case .joined(let entry) = try list.join(token: key, key: Sample.key(200 + number), name: name, at: 1) else { continue }
            names.append(entry.name)
        }
        #expect(names == ["box", "box-2", "box-3", "a_b__", "t4-2", "t5-2", String(repeating: "y", count: 64)])
        #expect(list.freeName(String(repeating: "y", count: 64)) == String(repeating: "y", count: 62) + "-2")
    }

    @Test func revokingByNameOrKey() throws {
        var list = AllowList()
        try list.allow(one, roles: [.worker], name: "box", at: 1)
        try list.allow(two, roles: [.worker], name: "box", at: 1)
        try list.issueToken(token, roles: [.worker], name: "token-1", at: 1)
        #expect(code { try list.revoke("box") } == .ambiguous)
        #expect(code { try list.revoke("bo") } == .notFound)
        #expect(code { try list.revoke("\u{1B}[2J\n") } == .notFound)
        #expect(try list.revoke(one.z85).key == one)
        #expect(try list.revoke("box").key == two)
        #expect(try list.revoke("token-1").key == token)
        #expect(list.entries.isEmpty)
    }

    @Test func aUsedTokenCannotBeForgotten() throws {
        var list = AllowList()
        try list.issueToken(token, roles: [.worker], name: "token-1", at: 1)
        _ = try list.join(token: token, key: one, name: "box", at: 1)
        #expect(code { try list.revoke("token-1") } == .notFound)
        #expect(code { try list.revoke(token.z85) } == .invalid)
    }

    @Test func aChangeSaysWhoHasToGo() throws {
        var old = AllowList()
        try old.allow(one, roles: [.worker], name: "one", at: 1)
        try old.allow(two, roles: [.worker], name: "two", at: 1)
        try old.issueToken(token, roles: [.worker], name: "token-1", at: 1)
        try old.issueToken(Sample.key(4), roles: [.worker], name: "token-2", at: 1)
        var new = old
        try new.revoke("one")
        try new.allow(two, roles: [.admin], name: "two", at: 1)
        try new.revoke("token-2")
        _ = try new.join(token: token, key: Sample.key(5), name: "five", at: 2)
        let change = AllowListChange(from: old, to: new)
        #expect(change.lost == [one, Sample.key(4)], "the burnt token is not among them: its holder waits for the answer")
        #expect(change.gained == [Sample.key(5)])
        #expect(change.altered == [two])
        #expect(AllowListChange(from: new, to: new).isEmpty)
        let table = AccessTable(old)
        #expect(table.replace(with: new) == change)
        #expect(table.permits(one) == nil)
        #expect(table.permits(two) == [.admin])
        #expect(table.list == new)
    }

    /// Any sequence of operations: the invariants hold, and the text says all of it.
    @Test func anySequenceOfOperationsKeepsTheRules() throws {
        for seed in 0..<60 {
            var generator = Scrambler(state: UInt64(seed))
            var list = AllowList()
            var burnt: [CurvePublicKey: CurvePublicKey] = [:]
            for step in 0..<120 {
                let (a, b) = (Sample.key(.random(in: 0..<12, using: &generator)), Sample.key(.random(in: 0..<12, using: &generator)))
                let roles = Set(Role.allCases.shuffled(using: &generator).prefix(.random(in: 0...3, using: &generator)))
                let name = ["a", "b", "c d", "token"].randomElement(using: &generator) ?? ""
                let before = list
                do {
                    switch Int.random(in: 0..<4, using: &generator) {
                    case 0: try list.allow(a, roles: roles, name: name, at: Int64(step))
                    case 1: try list.issueToken(a, roles: roles, name: name, at: Int64(step))
                    case 2:
                        if case .joined = try list.join(token: a, key: b, name: name, at: Int64(step)) {
                            #expect(burnt[a] == nil, "seed \(seed): a token joined twice")
                            burnt[a] = b
                        }
                    default: try list.revoke(Bool.random(using: &generator) ? a.z85 : name)
                    }
                } catch {
                    #expect(list == before, "seed \(seed): what fails changes nothing")
                }
                for token in burnt.keys { #expect(list.permits(token) == nil, "seed \(seed)") }
                #expect(Set(list.entries.map(\.key)).count == list.entries.count)
                for entry in list.entries { #expect(list[entry.key] == entry) }
            }
            #expect(try AllowList(text: list.text) == list, "seed \(seed)")
        }
    }
}
