// SPDX-License-Identifier: Apache-2.0
package import Foundation
package import ZeroMQ

/// What a worker or client needs in order to be let in: the coordinator's addresses and key, and a key pair of its own.
package struct Credentials: Sendable, Equatable {
    package static let mostEndpoints = 16
    static let mostBytes = 64 << 10

    /// Where the coordinator may be reached, the most likely one first.
    package var endpoints: [Endpoint]
    package var serverKey: CurvePublicKey
    package var keys: CurveKeyPair
    /// What the coordinator allowed; for people, as the coordinator decides anew every time.
    package var roles: Set<Role>

    package init(endpoints: [Endpoint], serverKey: CurvePublicKey, keys: CurveKeyPair, roles: Set<Role>) {
        (self.endpoints, self.serverKey, self.keys, self.roles) = (endpoints, serverKey, keys, roles)
    }

    /// For `SocketOptions.security`.
    package var security: SocketSecurity { .client(server: serverKey, keys: keys) }

    /// Reads a file.
    ///
    /// - Returns: nil if there is none.
    /// - Throws: `.notPrivate` when others can read it, `.invalid` when it is not what it should be.
    package static func read(_ file: URL) throws(AccessError) -> Credentials? {
        guard let data = try PrivateFile.read(file.path, atMost: mostBytes) else { return nil }
        do {
            return try Credentials(json: data)
        } catch {
            throw AccessError(error.code, "\(file.path): \(error)")
        }
    }

    /// Writes a file that only its owner can read, whole or not at all.
    package func write(to file: URL) throws(AccessError) { try PrivateFile.write(json, to: file.path) }

    init(json data: Data) throws(AccessError) {
        let fields: Fields
        do {
            fields = try JSONDecoder().decode(Fields.self, from: data)
        } catch {
            throw AccessError(
                .invalid, "is no credentials file; its fields are version, endpoints, server_key, public_key, secret_key, roles")
        }
        guard fields.version == Fields.currentVersion else {
            throw AccessError(.invalid, "is of version \(fields.version); this program reads version \(Fields.currentVersion)")
        }
        guard (1...Self.mostEndpoints).contains(fields.endpoints.count) else {
            throw AccessError(.invalid, "names \(fields.endpoints.count) addresses instead of 1 to \(Self.mostEndpoints)")
        }
        do {
            var endpoints: [Endpoint] = []
            for text in fields.endpoints { endpoints.append(try Endpoint(text)) }
            let keys = try CurveKeyPair(publicKey: fields.public_key, secretKey: fields.secret_key)
            self.init(
                endpoints: endpoints, serverKey: try CurvePublicKey(z85: fields.server_key), keys: keys,
                roles: try Set(roles: fields.roles.joined(separator: "+")))
        } catch {
            throw AccessError(.invalid, "\(error)")
        }
    }

    var json: Data {
        let fields = Fields(
            version: Fields.currentVersion, endpoints: endpoints.map(\.description), server_key: serverKey.z85,
            public_key: keys.publicKey.z85, secret_key: keys.secretKey.z85, roles: roles.sorted().map(\.rawValue))
        return JSONText.of(fields)
    }

    // The names are those of the file.
    // swift-format-ignore: AlwaysUseLowerCamelCase
    private struct Fields: Codable {
        static let currentVersion = 1
        let version: Int
        let endpoints: [String]
        let server_key: String, public_key: String, secret_key: String
        let roles: [String]
    }
}

enum JSONText {
    static func of(_ value: some Encodable) -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        // Strings and numbers always have a form in JSON.
        return ((try? encoder.encode(value)) ?? Data()) + Data("\n".utf8)
    }
}

extension CurveKeyPair {
    /// The pair of two texts.
    ///
    /// - Throws: `.invalid` unless they belong together.
    init(publicKey: String, secretKey: String) throws(AccessError) {
        do {
            try self.init(secretKey: try CurveSecretKey(z85: secretKey))
            guard try self.publicKey == CurvePublicKey(z85: publicKey) else {
                throw AccessError(.invalid, "its public key does not belong to its secret key")
            }
        } catch {
            throw AccessError(.invalid, "\(error)")
        }
    }
}
