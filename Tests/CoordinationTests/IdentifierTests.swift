// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Coordination

struct IdentifierTests {
    @Test func segmentsEndAtMultiples() {
        let plan = StudyPlan(id: StudyID(1), name: "", trialCount: 1, steps: 100, segmentSteps: 40)
        #expect([0, 13, 40, 79, 80, 99].map(plan.segmentEnd) == [40, 40, 80, 80, 100, 100])
    }

    @Test func instantsSaturate() {
        #expect(Instant(milliseconds: .max - 1) + .seconds(5) == Instant(milliseconds: .max))
    }
}
