// SPDX-License-Identifier: Apache-2.0
import CZeroMQ
import Foundation

/// Answers libzmq's question who may connect (RFC 27 of the ZeroMQ project, ZAP).
///
/// It has to be there before the first socket that asks. One for each context; it lives on the loop's thread.
final class Authenticator {
    typealias Decision = (CurvePublicKey, _ address: String) -> Bool

    /// Where libzmq looks for it.
    private static let address = "inproc://zeromq.zap.01"
    private static let prefix = "pseudoword-"

    private let socket: RawSocket
    private let decide: Decision
    private var filter = RefusalFilter()

    init(context: UnsafeMutableRawPointer, decide: @escaping Decision) throws(SocketError) {
        self.decide = decide
        socket = try RawSocket(context: context, type: ZMQ_REP)
        do throws(SocketError) {
            try socket.set(ZMQ_LINGER, Int32(0))
            let number = socket.bind(Self.address)
            guard number == 0 else { throw SocketError(.system(number), "cannot check keys: \(SocketError.text(number))") }
        } catch {
            socket.close()
            throw error
        }
    }

    var pollHandle: UnsafeMutableRawPointer? { socket.pollHandle }

    func close() { socket.close() }

    static func domain(of socket: SocketID) -> String { prefix + String(socket.number) }

    /// Answers what waits, up to `limit`, and reports whom it turned away.
    func answer(into events: inout [LoopEvent], limit: Int, now: ContinuousClock.Instant) {
        for _ in 0..<limit {
            switch try? socket.receive(maximumFrames: 16) {
            case .message(let message)?:
                let (reply, refusal) = Self.reply(to: message.frames, decide: decide)
                _ = socket.send(reply)
                if let refusal, filter.shouldTell(refusal.key, now: now) {
                    events.append(.refused(refusal.socket, key: refusal.key, address: refusal.address))
                }
            case .tooManyFrames?: _ = socket.send(Self.frames(id: Data(), .malformed, user: ""))
            case .nothing?, nil: return
            }
        }
    }

    struct Refusal: Equatable {
        let socket: SocketID
        let key: CurvePublicKey
        let address: String
    }

    private enum Status: String {
        case allowed = "200"
        case refused = "400"
        case malformed = "500"
    }

    /// The answer to one request.
    ///
    /// What is not exactly a request for a key of CURVE is refused.
    static func reply(to request: [Data], decide: Decision) -> (frames: [Data], refusal: Refusal?) {
        let id = request.count > 1 ? request[1] : Data()
        guard request.count == 7, request[0] == Data("1.0".utf8), id.count <= 255 else {
            return (frames(id: id.count <= 255 ? id : Data(), .malformed, user: ""), nil)
        }
        guard let socket = socket(ofDomain: request[2]), request[5] == Data("CURVE".utf8), let key = CurvePublicKey(bytes: request[6])
        else {
            return (frames(id: id, .refused, user: ""), nil)
        }
        let address = String(decoding: request[3].prefix(64).filter { (0x21...0x7E).contains($0) }, as: UTF8.self)
        if decide(key, address) { return (frames(id: id, .allowed, user: key.z85), nil) }
        return (frames(id: id, .refused, user: ""), Refusal(socket: socket, key: key, address: address))
    }

    private static func socket(ofDomain domain: Data) -> SocketID? {
        let text = String(decoding: domain.prefix(32), as: UTF8.self)
        guard text.hasPrefix(prefix), let number = UInt32(text.dropFirst(prefix.count)) else { return nil }
        return SocketID(number: number)
    }

    private static func frames(id: Data, _ status: Status, user: String) -> [Data] {
        [Data("1.0".utf8), id, Data(status.rawValue.utf8), Data(), Data(user.utf8), Data()]
    }
}

/// Decides which refusals are worth an event, so that nobody can flood a log or grow a table by knocking.
struct RefusalFilter {
    static let pause: Duration = .seconds(10)
    static let mostKeys = 256
    static let mostPerSecond = 16

    private var told: [CurvePublicKey: ContinuousClock.Instant] = [:]
    private var secondBegan: ContinuousClock.Instant?
    private var toldThisSecond = 0

    mutating func shouldTell(_ key: CurvePublicKey, now: ContinuousClock.Instant) -> Bool {
        if let last = told[key], now - last < Self.pause { return false }
        if secondBegan.map({ now - $0 >= .seconds(1) }) ?? true { (secondBegan, toldThisSecond) = (now, 0) }
        guard toldThisSecond < Self.mostPerSecond else { return false }
        if told.count >= Self.mostKeys {
            told = told.filter { now - $0.value < Self.pause }
            guard told.count < Self.mostKeys else { return false }
        }
        toldThisSecond += 1
        told[key] = now
        return true
    }
}
