// SPDX-License-Identifier: Apache-2.0
import Testing
import WireMessages

@Suite struct VersionTests {
    static let both = [WireVersion(1, 4), WireVersion(2, 1)]

    @Test(arguments: [
        (WireVersion(1, 0), [WireVersion(1, 0)], WireVersion(1, 0)),
        (WireVersion(1, 7), [WireVersion(1, 0)], WireVersion(1, 0)),
        (WireVersion(1, 0), [WireVersion(1, 7)], WireVersion(1, 0)),
        (WireVersion(1, 3), both, WireVersion(1, 3)),
        (WireVersion(1, 9), both, WireVersion(1, 4)),
        (WireVersion(2, 0), both, WireVersion(2, 0)),
        (WireVersion(2, .max), both, WireVersion(2, 1)),
        (WireVersion(1, 2), [WireVersion(1, 1), WireVersion(1, 3)], WireVersion(1, 2)),
    ])
    func aCommonMajorAgreesOnTheLowerMinor(offered: WireVersion, supported: [WireVersion], agreed: WireVersion) {
        #expect(WireVersion.negotiate(offered: offered, supported: supported) == .agreed(agreed))
    }

    @Test(arguments: [
        (WireVersion(0, 9), both), (WireVersion(3, 0), both), (WireVersion(.max, .max), both), (WireVersion(2, 0), [WireVersion(1, 0)]),
        (WireVersion(1, 0), []),
    ])
    func noCommonMajorIsRefusedWithWhatWouldDo(offered: WireVersion, supported: [WireVersion]) throws {
        guard case .refused(let denied) = WireVersion.negotiate(offered: offered, supported: supported) else {
            Issue.record("agreed on a version")
            return
        }
        #expect(denied.code == .version)
        #expect(denied.supported.map { WireVersion($0.major, $0.minor) } == supported)
        #expect(denied.reason.contains("protocol \(offered.major) is not spoken here"))
        #expect(throws: Never.self) { try WireCodec.encode(WireEnvelope(.denied(denied))) }
    }

    @Test func weSpeakWhatWeSend() {
        #expect(WireVersion.supported.contains(WireVersion.current))
        #expect(WireVersion.negotiate(offered: .current) == .agreed(.current))
        guard case .refused = WireVersion.negotiate(offered: WireVersion(1, 0)) else {
            Issue.record("protocol 1 is still taken")
            return
        }
    }
}
