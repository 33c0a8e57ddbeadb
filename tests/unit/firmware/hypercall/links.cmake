# Every register of every call at its extremes, alone and in pairs, and every pair of reasons to refuse: minutes under AddressSanitizer.
set(area_searches *TakesEveryRegisterAtItsExtremes* *TakesPairsOfExtremes* *AnswersTheFirstOfTwoFailures*)
