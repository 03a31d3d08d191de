// SPDX-License-Identifier: Apache-2.0
package import Foundation
package import ZeroMQ

/// The keys of a coordinator, in its home.
///
///     HOME/keys/coordinator.json    its own key pair
///     HOME/keys/allow-list          who may connect, see `AllowList.text`
///     HOME/keys/local.json          credentials for programs on this box that may read the home
///     HOME/keys/join-token          the last token that was shown and not used
///     HOME/keys/lock                held while the list is changed
///
/// Several processes may use it at once: the coordinator itself and `pseudoword keys`.
package struct KeyStore: Sendable {
    package let folder: URL

    /// Makes the folder if need be.
    ///
    /// - Throws: `.notPrivate` when others can get at it.
    package init(home: URL) throws(AccessError) {
        folder = Self.folder(in: home)
        try PrivateFile.makeFolder(folder.path)
    }

    /// The keys of a home that has some.
    ///
    /// - Throws: `.notFound` when it has none.
    package init(existingIn home: URL) throws(AccessError) {
        folder = Self.folder(in: home)
        do {
            try PrivateFile.checkFolder(folder.path)
        } catch  where error.code == .notFound {
            throw AccessError(.notFound, "home \(home.path): holds no keys yet; the coordinator makes them when it starts")
        }
    }

    private static func folder(in home: URL) -> URL { home.appendingPathComponent("keys") }
    private var keyFile: URL { folder.appendingPathComponent("coordinator.json") }
    var listFile: URL { folder.appendingPathComponent("allow-list") }
    package var localFile: URL { folder.appendingPathComponent("local.json") }
    private var lockFile: URL { folder.appendingPathComponent("lock") }

    // MARK: The coordinator's own keys

    /// The coordinator's key pair; made at the first call.
    package func coordinatorKeys() throws(AccessError) -> CurveKeyPair {
        if let keys = try readKeys() { return keys }
        return try PrivateFile.locked(lockFile.path) { () throws(AccessError) in
            if let keys = try readKeys() { return keys }
            // With a new key nobody would know this coordinator any more, and nobody would see why.
            guard PrivateFile.Stamp(listFile.path) == nil else {
                throw AccessError(
                    .notFound,
                    "\(keyFile.path): is gone, though there is an allow-list; bring it back from a backup, or remove \(folder.path) and let every box join anew"
                )
            }
            let keys = try Self.generate()
            let fields = KeyFields(version: 1, public_key: keys.publicKey.z85, secret_key: keys.secretKey.z85)
            try PrivateFile.write(JSONText.of(fields), to: keyFile.path)
            return keys
        }
    }

    private func readKeys() throws(AccessError) -> CurveKeyPair? {
        guard let data = try PrivateFile.read(keyFile.path, atMost: Credentials.mostBytes) else { return nil }
        guard let fields = try? JSONDecoder().decode(KeyFields.self, from: data), fields.version == 1 else {
            throw AccessError(.invalid, "\(keyFile.path): is no key file; its fields are version (1), public_key and secret_key")
        }
        do {
            return try CurveKeyPair(publicKey: fields.public_key, secretKey: fields.secret_key)
        } catch {
            throw AccessError(.invalid, "\(keyFile.path): \(error)")
        }
    }

    // The names are those of the file.
    // swift-format-ignore: AlwaysUseLowerCamelCase
    private struct KeyFields: Codable {
        let version: Int
        let public_key: String, secret_key: String
    }

    // MARK: The list

    /// The list on disk; empty if there is none yet.
    package func allowList() throws(AccessError) -> AllowList {
        guard let data = try PrivateFile.read(listFile.path, atMost: AllowList.mostBytes) else { return AllowList() }
        guard let text = String(bytes: data, encoding: .utf8) else {
            throw AccessError(.invalid, "\(listFile.path): is not text in UTF-8")
        }
        do {
            return try AllowList(text: text)
        } catch {
            throw AccessError(error.code, "\(listFile.path): \(error)")
        }
    }

    /// Changes the list on disk, whoever else changes it at the same time; when this returns, the change is there to stay.
    ///
    /// What the closure throws leaves everything as it was.
    @discardableResult
    package func update<Value>(
        _ change: (inout AllowList) throws(AccessError) -> Value
    ) throws(AccessError) -> (value: Value, list: AllowList) {
        try PrivateFile.locked(lockFile.path) { () throws(AccessError) in
            let old = try allowList()
            var list = old
            let value = try change(&list)
            if list != old || PrivateFile.Stamp(listFile.path) == nil { try PrivateFile.write(Data(list.text.utf8), to: listFile.path) }
            return (value, list)
        }
    }

    // MARK: Tokens and the box's own credentials

    /// A new join token, whose public half is in the list when this returns.
    package func makeToken(roles: Set<Role>, endpoints: [Endpoint], name: String? = nil, at now: Int64) throws(AccessError) -> JoinToken {
        let token = try JoinToken(
            roles: roles, endpoints: endpoints, serverKey: try coordinatorKeys().publicKey, keys: try Self.generate())
        try update { list throws(AccessError) in
            try list.issueToken(token.keys.publicKey, roles: roles, name: name ?? list.freeName("token"), at: now)
        }
        return token
    }

    /// Keeps a token that was shown but not used, to be shown again.
    package func keep(_ token: JoinToken) throws(AccessError) { try PrivateFile.write(Data(token.text.utf8), to: tokenFile.path) }

    /// The token that was kept; nil if there is none.
    package func keptToken() throws(AccessError) -> JoinToken? {
        guard let data = try PrivateFile.read(tokenFile.path, atMost: 65536) else { return nil }
        return try JoinToken(text: String(decoding: data, as: UTF8.self))
    }

    private var tokenFile: URL { folder.appendingPathComponent("join-token") }

    /// Credentials for whoever may read this home, with every right that the box's own user needs; made, and put on the list, if need be.
    ///
    /// - Parameter endpoints: where the coordinator listens now.
    package func localCredentials(endpoints: [Endpoint], at now: Int64) throws(AccessError) -> Credentials {
        let roles: Set<Role> = [.admin, .worker]
        let serverKey = try coordinatorKeys().publicKey
        let old = try Credentials.read(localFile)
        let keys: CurveKeyPair
        if let old, old.serverKey == serverKey, case .member = try allowList().standing(of: old.keys.publicKey) {
            keys = old.keys
        } else {
            keys = try Self.generate()
        }
        let credentials = Credentials(endpoints: endpoints, serverKey: serverKey, keys: keys, roles: roles)
        if credentials != old { try credentials.write(to: localFile) }
        try update { list throws(AccessError) in
            guard list[keys.publicKey] == nil else { return }
            try list.allow(keys.publicKey, roles: roles, name: list.freeName("local"), at: now)
        }
        return credentials
    }

    private static func generate() throws(AccessError) -> CurveKeyPair {
        do { return try .generate() } catch { throw AccessError(.system, error.description) }
    }
}

/// Notices that somebody changed the list on disk.
package struct AccessReloader: Sendable {
    private let store: KeyStore
    private let table: AccessTable
    private var seen: PrivateFile.Stamp?

    /// Reads the list for the first time.
    package init(_ store: KeyStore, _ table: AccessTable) throws(AccessError) {
        (self.store, self.table) = (store, table)
        try load()
    }

    /// One look at the file's date; reads it when it has changed.
    ///
    /// - Returns: what has changed; nil if nothing has.
    /// - Throws: once for each version of the file that cannot be used. The list in memory goes on to count then.
    package mutating func reloadIfChanged() throws(AccessError) -> AllowListChange? {
        guard PrivateFile.Stamp(store.listFile.path) != seen else { return nil }
        let change = try load()
        return change.isEmpty ? nil : change
    }

    @discardableResult
    private mutating func load() throws(AccessError) -> AllowListChange {
        let isFirst = seen == nil
        seen = PrivateFile.Stamp(store.listFile.path)
        guard seen != nil || isFirst else {
            throw AccessError(.notFound, "\(store.listFile.path): is gone; the list in memory goes on to count")
        }
        return table.replace(with: try store.allowList())
    }
}
