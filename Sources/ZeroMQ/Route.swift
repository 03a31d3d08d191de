// SPDX-License-Identifier: Apache-2.0

/// One way to a peer: an address, and whether its host is looked up in IPv6.
///
/// Libzmq looks a host name up in one family and takes the first address that it finds. So a name stands for two ways: IPv4 first, as most
/// coordinators listen there, then IPv6.
struct Route: Sendable, Hashable {
    let endpoint: Endpoint
    let usesIPv6: Bool

    static func all(to endpoints: [Endpoint]) -> [Route] {
        endpoints.flatMap { endpoint in
            endpoint.isHostName
                ? [Route(endpoint: endpoint, usesIPv6: false), Route(endpoint: endpoint, usesIPv6: true)]
                : [Route(endpoint: endpoint, usesIPv6: endpoint.usesIPv6)]
        }
    }
}

/// The ways to a peer, and the one that is tried now.
struct Routes: Sendable {
    let all: [Route]
    private var place = 0

    /// - Parameter endpoints: the most likely one first; at least one.
    init(to endpoints: [Endpoint]) {
        precondition(!endpoints.isEmpty, "there is somewhere to connect to")
        all = Route.all(to: endpoints)
    }

    var current: Route { all[place] }

    var isOnlyOne: Bool { all.count == 1 }

    /// Turns to the next way.
    ///
    /// - Returns: whether all have had their turn and the first one follows.
    mutating func advance() -> Bool {
        place = (place + 1) % all.count
        return place == 0
    }
}
