package plan

// Convergence reasons, in AIPerf's words where AIPerf has them. They are written to
// files, so they never change.
const (
	// ReasonMaxIterations ends a search whose budget of distinct points is spent.
	ReasonMaxIterations = "max_iterations"
	// ReasonPatience ends a model-based search that went too long without a feasible
	// improvement.
	ReasonPatience = "improvement_patience"
	// ReasonPlateau ends a model-based search whose last feasible objectives hardly
	// differ.
	ReasonPlateau = "plateau_cv"
	// ReasonRegretBound ends a model-based search in which no point can be better than
	// the best by more than noise.
	ReasonRegretBound = "posterior_regret_bound"
	// ReasonEMMR ends a model-based search whose expected minimum simple regret has all
	// but stopped falling.
	ReasonEMMR = "emmr"
	// ReasonGridComplete ends a list of points that were all measured, as AIPerf ends a
	// grid of tiers.
	ReasonGridComplete = "grid_complete"

	// FloorHolds ends a gate whose boundary is certainly at or above the floor.
	FloorHolds = "sequential_floor_holds"
	// FloorBroken ends a gate whose boundary is certainly below the floor.
	FloorBroken = "sequential_floor_broken"
	// FloorOpen ends a gate whose boundary is too near the floor to tell.
	FloorOpen = "sequential_floor_open"

	// Ends of any planner without an answer.
	reasonUnmeasured      = "unmeasured"
	reasonUntrusted       = "untrusted"
	reasonNotOneDimension = "not_one_dimension"
	reasonNoFloor         = "no_floor"

	// Ends of AIPerf's monotonic_sla planner.
	monotonicPrecision = "monotonic_precision_reached"
	monotonicNoPass    = "monotonic_no_pass_in_range"
	monotonicNoFailure = "monotonic_no_failure_in_range"

	// Ends of AIPerf's multi-tier planner: of the run, and of each of its tiers.
	tiersConverged = "multi_tier_all_converged"
	tierPrecision  = "multi_tier_precision_reached"
	tierNoFailure  = "no_failure_in_range"
	tierNoPass     = "no_pass_in_range"

	// Ends of AIPerf's smooth_isotonic planner.
	smoothPrecision = "smooth_isotonic_precision_reached"
	smoothCliff     = "smooth_isotonic_cliff_precision_reached"
	smoothNoPass    = "smooth_isotonic_no_pass_in_range"
	smoothNoFailure = "smooth_isotonic_no_failure_in_range"
	smoothFallback  = "smooth_isotonic_pchip_fallback_bisection"

	// Ends of style sequential.
	sequentialPrecision = "sequential_precision_reached"
	sequentialNoPass    = "sequential_no_pass_in_range"
	sequentialNoFailure = "sequential_no_failure_in_range"
	// notIdentifiable: noise over slope leaves the boundary wider than ±10%.
	notIdentifiable = "not_identifiable"

	// Ends of the model-based styles, after the style's prefix.
	noPass    = "_no_pass_in_range"    // nothing passes, and neither does the lowest point
	noFailure = "_no_failure_in_range" // everything passes, up to the highest point
	precise   = "_precision_reached"   // goals and boundary are settled
	exhausted = "_no_points_left"      // every legal point was probed
)
